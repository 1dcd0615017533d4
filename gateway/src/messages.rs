//! Anthropic's Messages for models that are not Claude: its request as Converse's, the events of a response as its
//! events.
