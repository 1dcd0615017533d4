//! OpenAI's Chat Completions: its request as Converse's, the events of a response as its chunks.
