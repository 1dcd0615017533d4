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

        pumice_codec::serde! { $name }

        const _: () = {
            use pumice_codec::internal::{Written, Failed, Form, Null, Object, Place, Shape, Source, members, required};

            impl Shape for $name {
                fn blank() -> Self {
                    Self::Unknown(Document::default())
                }

                fn read(&mut self, source: &mut dyn Source, null: Null) -> Result<bool, Failed> {
                    let mut reading = Reading { value: Self::blank(), members: Members::NONE };
                    let found = source.next(Place::Object(&mut reading), null)?;
                    *self = reading.value;
                    Ok(found)
                }

                fn content(&self) -> Written<'_> {
                    match self {
                        $( Self::$variant(value) => Written::Tagged($tag, $wire, value), )+
                        Self::Unknown(document) => Written::Document(document),
                    }
                }
            }

            /// What was read so far.
            struct Reading {
                value: $name,
                /// The members, while the kind is not known.
                members: Members,
            }

            impl Reading {
                /// Whether the value is of the kind that the tag says.
                fn become_kind(&mut self, tag: &Document) -> bool {
                    match tag.text() {
                        $( concat!("\"", $wire, "\"") => self.value = $name::$variant(Shape::blank()), )+
                        _ => return false,
                    }
                    true
                }
            }

            impl Object for Reading {
                fn form(&self) -> &'static Form {
                    const EXPECTED: &str = concat!("an object with the member ", $tag);
                    match &self.value {
                        $( $name::$variant(value) => value.form(), )+
                        // The tag usually comes first: the rest is read without a detour.
                        $name::Unknown(_) if self.members.is_empty() => {
                            &Form { expected: EXPECTED, names: &[$tag], required: 0 }
                        }
                        $name::Unknown(_) => &Form { expected: EXPECTED, names: &[], required: 0 },
                    }
                }

                fn member(&mut self, at: usize, source: &mut dyn Source) -> Result<bool, Failed> {
                    match &mut self.value {
                        $( $name::$variant(value) => return value.member(at, source), )+
                        $name::Unknown(_) => {}
                    }
                    let mut tag = Document::default();
                    required(&mut tag, source)?;
                    if !self.become_kind(&tag) {
                        self.members.insert($tag, tag);
                    }
                    Ok(true)
                }

                fn other(&mut self) -> Option<&mut Members> {
                    match &mut self.value {
                        $( $name::$variant(value) => value.other(), )+
                        $name::Unknown(_) => Some(&mut self.members),
                    }
                }

                fn end(&mut self) -> Result<(), String> {
                    match &mut self.value {
                        $( $name::$variant(value) => return value.end(), )+
                        $name::Unknown(_) => {}
                    }
                    let document = Document::write(&self.members).map_err(|error| error.to_string())?;
                    let tag = self.members.remove($tag);
                    if tag.is_some_and(|tag| self.become_kind(&tag)) {
                        return members(self, document.text());
                    }
                    self.value = $name::Unknown(document);
                    Ok(())
                }
            }
        };
    };
}
