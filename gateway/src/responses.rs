//! OpenAI's Responses: its request as Converse's, the events of a response as its events.
