//! OpenAI's Embeddings: its request as those of Titan's and Cohere's models, their responses as its own.
