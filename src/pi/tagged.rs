//! Enumerations of structures in JSON.

/// Declares an enumeration of structures, which the member `by` tells apart.
macro_rules! tagged {
    (
        $(#[$meta:meta])*
        pub enum $name:ident by $tag:literal {
            $( $(#[$vmeta:meta])* $variant:ident($type:ty) = $wire:literal, )+
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq)]
        #[non_exhaustive]
        pub enum $name {
            $( $(#[$vmeta])* $variant($type), )+
            /// Of a kind that this version does not know, as it came.
            Unknown(Document),
        }

        $(
            impl From<$type> for $name {
                fn from(value: $type) -> Self {
                    Self::$variant(value)
                }
            }
        )+

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self {
                    $(
                        Self::$variant(value) => {
                            let mut map = serializer.serialize_map(None)?;
                            map.serialize_entry($tag, $wire)?;
                            value.write_into(&mut map)?;
                            map.end()
                        }
                    )+
                    Self::Unknown(document) => document.serialize(serializer),
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Tagged;
                impl<'de> Visitor<'de> for Tagged {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str(concat!("an object with the member ", $tag))
                    }

                    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<$name, A::Error> {
                        let mut members = Members::default();
                        while let Some(name) = next_name(&mut map)? {
                            if name.0 == $tag && members.is_empty() {
                                // The tag usually comes first: the rest is read without a detour.
                                let tag = map.next_value::<Document>()?;
                                match tag.text() {
                                    $(
                                        concat!("\"", $wire, "\"") => {
                                            let rest = MapAccessDeserializer::new(map);
                                            return <$type>::deserialize(rest).map($name::$variant);
                                        }
                                    )+
                                    _ => members.insert($tag, tag),
                                }
                            } else {
                                members.read_next(name, &mut map)?;
                            }
                        }
                        let document = Document::write(&members).map_err(de::Error::custom)?;
                        match members.named($tag).map(Document::text) {
                            $(
                                Some(concat!("\"", $wire, "\"")) => {
                                    let value = serde_json::from_str::<$type>(document.text());
                                    value.map($name::$variant).map_err(de::Error::custom)
                                }
                            )+
                            _ => Ok($name::Unknown(document)),
                        }
                    }
                }
                deserializer.deserialize_map(Tagged)
            }
        }
    };
}
