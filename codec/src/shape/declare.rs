//! The macros that declare structures, unions and enumerations.

/// Declares a structure of the API: its members, and `other` for members that are in none of the lists. The structure
/// is its own builder: `new` takes the required members, and each other member has a method.
///
/// - `label`: required, and sent in the URL of a request, not in its body. The structure reads and writes a label like
///   any other member; its `body` leaves it out.
/// - `required`
/// - `lists`: optional lists. The method, named after `by`, appends one item.
/// - `optional`
/// - `ignored`: read and dropped.
#[doc(hidden)]
#[macro_export]
macro_rules! structure {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $(label { $( $(#[$lmeta:meta])* $lfield:ident: $ltype:ty = $lwire:literal, )+ })?
            $(required { $( $(#[$rmeta:meta])* $rfield:ident: $rtype:ty = $rwire:literal, )+ })?
            $(lists { $( $(#[$imeta:meta])* $ifield:ident: $itype:ty = $iwire:literal by $imethod:ident, )+ })?
            $(optional { $( $(#[$ometa:meta])* $ofield:ident: $otype:ty = $owire:literal, )+ })?
            $(ignored { $( $ignored:literal, )+ })?
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq)]
        #[non_exhaustive]
        pub struct $name {
            $($( $(#[$lmeta])* pub $lfield: $ltype, )+)?
            $($( $(#[$rmeta])* pub $rfield: $rtype, )+)?
            $($( $(#[$imeta])* pub $ifield: Option<$crate::internal::Vec<$itype>>, )+)?
            $($( $(#[$ometa])* pub $ofield: Option<$otype>, )+)?
            /// Members that this version does not know.
            pub other: $crate::shape::Members,
        }

        impl $name {
            /// The names of the members, in JSON.
            #[doc(hidden)]
            #[allow(dead_code, reason = "used for a few structures only")]
            pub const MEMBERS: &'static [&'static str] = &[
                $($( $lwire, )+)? $($( $rwire, )+)? $($( $iwire, )+)? $($( $owire, )+)? $($( $ignored, )+)?
            ];

            /// With the required members. Each other member has a method.
            pub fn new(
                $($( $lfield: impl Into<$ltype>, )+)?
                $($( $rfield: impl Into<$rtype>, )+)?
            ) -> Self {
                Self {
                    $($( $lfield: $lfield.into(), )+)?
                    $($( $rfield: $rfield.into(), )+)?
                    $($( $ifield: None, )+)?
                    $($( $ofield: None, )+)?
                    other: $crate::shape::Members::default(),
                }
            }

            $($(
                #[doc = concat!("Appends one item to [`", stringify!($ifield), "`](Self#structfield.", stringify!($ifield), ").")]
                pub fn $imethod(mut self, item: impl Into<$itype>) -> Self {
                    self.$ifield.get_or_insert_default().push(item.into());
                    self
                }
            )+)?

            $($(
                $(#[$ometa])*
                pub fn $ofield(mut self, $ofield: impl Into<$otype>) -> Self {
                    self.$ofield = Some($ofield.into());
                    self
                }
            )+)?
        }

        $crate::new_is_default! { $name $($($lfield)+)? $($($rfield)+)? }

        $(
            impl $name {
                /// The body of the request, in JSON: all members except those that are sent in its URL:
                #[doc = concat!($("`", $lwire, "` "),+)]
                pub fn body(&self) -> $crate::Result<$crate::internal::Vec<u8>> {
                    const LABELS: &[&str] = &[$($lwire),+];
                    let expected = concat!("expected a ", stringify!($name), " that can be written as JSON");
                    $crate::internal::body(self, LABELS.len(), expected)
                }
            }
        )?

        impl $crate::internal::Shape for $name {
            fn blank() -> Self {
                Self {
                    $($( $lfield: $crate::internal::Shape::blank(), )+)?
                    $($( $rfield: $crate::internal::Shape::blank(), )+)?
                    $($( $ifield: None, )+)?
                    $($( $ofield: None, )+)?
                    other: $crate::shape::Members::NONE,
                }
            }

            fn read(
                &mut self,
                source: &mut dyn $crate::internal::Source,
                null: $crate::internal::Null,
            ) -> Result<bool, $crate::internal::Failed> {
                source.next($crate::internal::Place::Object(self), null)
            }

            fn content(&self) -> $crate::internal::Written<'_> {
                $crate::internal::Written::Object(self)
            }
        }

        $crate::serde! { $name }

        const _: () = {
            #[allow(unused_imports, reason = "an empty structure has no parts")]
            use $crate::internal::{Written, Failed, Form, Null, Object, Parts, Place, Shape, Source};

            /// The position of each member in `MEMBERS`. The ignored ones come after them.
            #[allow(non_camel_case_types, dead_code, reason = "named as the members, of which there may be none")]
            enum At { $($( $lfield, )+)? $($( $rfield, )+)? $($( $ifield, )+)? $($( $ofield, )+)? }

            impl Object for $name {
                fn form(&self) -> &'static Form {
                    const REQUIRED: &[&str] = &[$($( $lwire, )+)? $($( $rwire, )+)?];
                    const FORM: Form = Form {
                        expected: concat!("an object (", stringify!($name), ")"),
                        names: $name::MEMBERS,
                        required: REQUIRED.len(),
                    };
                    &FORM
                }

                fn member(&mut self, at: usize, source: &mut dyn Source) -> Result<bool, Failed> {
                    match at {
                        $($( at if at == At::$lfield as usize => $crate::internal::required(&mut self.$lfield, source), )+)?
                        $($( at if at == At::$rfield as usize => $crate::internal::required(&mut self.$rfield, source), )+)?
                        $($( at if at == At::$ifield as usize => $crate::internal::optional(&mut self.$ifield, source), )+)?
                        $($( at if at == At::$ofield as usize => $crate::internal::optional(&mut self.$ofield, source), )+)?
                        _ => source.next(Place::Ignored, Null::IsRead),
                    }
                }

                fn other(&mut self) -> Option<&mut $crate::shape::Members> {
                    Some(&mut self.other)
                }
            }

            impl Parts for $name {
                fn names(&self) -> &'static [&'static str] {
                    Self::MEMBERS
                }

                fn part(&self, at: usize) -> Option<Written<'_>> {
                    match at {
                        $($( at if at == At::$lfield as usize => Some(Shape::content(&self.$lfield)), )+)?
                        $($( at if at == At::$rfield as usize => Some(Shape::content(&self.$rfield)), )+)?
                        $($( at if at == At::$ifield as usize => self.$ifield.as_ref().map(Shape::content), )+)?
                        $($( at if at == At::$ofield as usize => self.$ofield.as_ref().map(Shape::content), )+)?
                        _ => None,
                    }
                }

                fn unknown(&self) -> Option<&$crate::shape::Members> {
                    Some(&self.other)
                }
            }
        };
    };
}

/// Implements serde for a type of the API.
#[doc(hidden)]
#[macro_export]
macro_rules! serde {
    ($name:ident) => {
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::internal::deserialize(deserializer)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                $crate::internal::Shape::content(self).serialize(serializer)
            }
        }
    };
}

/// Implements `Default` for a structure without required members.
#[doc(hidden)]
#[macro_export]
macro_rules! new_is_default {
    ($name:ident) => {
        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }
    };
    ($name:ident $($required:ident)+) => {};
}

/// Declares a union of the API: an object with exactly one member. An object without a known member is `Unknown` and
/// keeps everything. If several members are known, the first counts.
///
/// `from` implements `From` the variant's content; `from_text` does so for a `String` and for a `&str`.
#[doc(hidden)]
#[macro_export]
macro_rules! union {
    (
        $(#[$meta:meta])*
        pub enum $name:ident {
            $( $(#[$vmeta:meta])* $variant:ident($type:ty) = $wire:literal $($from:ident)?, )+
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq)]
        #[non_exhaustive]
        pub enum $name {
            $( $(#[$vmeta])* $variant($type), )+
            /// A variant that this version does not know.
            Unknown($crate::shape::Members),
        }

        $( $( $crate::variant_from! { $from $name $variant($type) } )? )+

        impl $crate::internal::Shape for $name {
            fn blank() -> Self {
                Self::Unknown($crate::shape::Members::NONE)
            }

            fn read(
                &mut self,
                source: &mut dyn $crate::internal::Source,
                null: $crate::internal::Null,
            ) -> Result<bool, $crate::internal::Failed> {
                source.next($crate::internal::Place::Object(self), null)
            }

            fn content(&self) -> $crate::internal::Written<'_> {
                $crate::internal::Written::Object(self)
            }
        }

        $crate::serde! { $name }

        const _: () = {
            use $crate::internal::{Written, Failed, Form, Object, Parts, Shape, Source, variant};

            /// The position of each variant.
            enum At { $( $variant, )+ }

            const EXPECTED: &str = concat!("an object with one member (", stringify!($name), ")");

            impl Object for $name {
                fn form(&self) -> &'static Form {
                    match self {
                        Self::Unknown(_) => &Form { expected: EXPECTED, names: &[$( $wire ),+], required: 0 },
                        _ => &Form { expected: EXPECTED, names: &[], required: 0 },
                    }
                }

                fn member(&mut self, at: usize, source: &mut dyn Source) -> Result<bool, Failed> {
                    match at {
                        $( at if at == At::$variant as usize => variant(self, Self::$variant, source), )+
                        _ => Ok(false),
                    }
                }

                fn other(&mut self) -> Option<&mut $crate::shape::Members> {
                    match self {
                        Self::Unknown(members) => Some(members),
                        _ => None,
                    }
                }
            }

            impl Parts for $name {
                fn names(&self) -> &'static [&'static str] {
                    &[$( $wire ),+]
                }

                fn part(&self, at: usize) -> Option<Written<'_>> {
                    match self {
                        $( Self::$variant(value) if at == At::$variant as usize => Some(value.content()), )+
                        _ => None,
                    }
                }

                fn unknown(&self) -> Option<&$crate::shape::Members> {
                    match self {
                        Self::Unknown(members) => Some(members),
                        _ => None,
                    }
                }
            }
        };
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! variant_from {
    (from $name:ident $variant:ident($type:ty)) => {
        impl From<$type> for $name {
            fn from(value: $type) -> Self {
                Self::$variant(value)
            }
        }
    };
    (from_text $name:ident $variant:ident($type:ty)) => {
        impl From<$crate::internal::String> for $name {
            fn from(text: $crate::internal::String) -> Self {
                Self::$variant(text)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self::$variant(text.into())
            }
        }
    };
}

/// Declares an open enumeration of the API: a value that is not in the list is `Unknown`.
#[doc(hidden)]
#[macro_export]
macro_rules! enumeration {
    (
        $(#[$meta:meta])*
        pub enum $name:ident {
            $( $(#[$vmeta:meta])* $variant:ident = $wire:literal, )+
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $( $(#[$vmeta])* $variant, )+
            /// A value that this version does not know.
            Unknown($crate::internal::String),
        }

        impl $name {
            /// The values that this version knows.
            pub const VALUES: &'static [&'static str] = &[$( $wire ),+];

            /// The value as the API writes it.
            pub fn as_str(&self) -> &str {
                match self {
                    $( Self::$variant => $wire, )+
                    Self::Unknown(value) => value,
                }
            }
        }

        impl From<&str> for $name {
            fn from(value: &str) -> Self {
                /// The position of each value.
                enum At { $( $variant, )+ }
                match Self::VALUES.iter().position(|known| *known == value) {
                    $( Some(at) if at == At::$variant as usize => Self::$variant, )+
                    _ => Self::Unknown(value.into()),
                }
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl $crate::internal::Shape for $name {
            fn blank() -> Self {
                Self::Unknown($crate::internal::String::new())
            }

            fn read(
                &mut self,
                source: &mut dyn $crate::internal::Source,
                null: $crate::internal::Null,
            ) -> Result<bool, $crate::internal::Failed> {
                source.next($crate::internal::Place::Word(self), null)
            }

            fn content(&self) -> $crate::internal::Written<'_> {
                $crate::internal::Written::Text(self.as_str())
            }
        }

        impl $crate::internal::Word for $name {
            fn set(&mut self, text: &str) {
                *self = text.into();
            }
        }

        $crate::serde! { $name }
    };
}

#[cfg(test)]
#[allow(unreachable_pub, reason = "the macros declare public types")]
mod tests {
    use crate::shape::Document;

    structure! {
        /// A structure.
        pub struct Thing {
            required {
                /// Its size.
                size: u64 = "size",
            }
            optional {
                /// Its colour.
                colour: Colour = "colour",
                /// Its lid.
                lid: Lid = "lid",
            }
            ignored { "p", }
        }
    }

    structure! {
        /// A request.
        pub struct Ask {
            label {
                /// In the URL.
                id: String = "id",
            }
            lists {
                /// The parts.
                parts: Lid = "parts" by part,
            }
        }
    }

    structure! {
        /// A structure without required members.
        pub struct Empty {}
    }

    union! {
        /// A union.
        pub enum Lid {
            /// Made of wood.
            Wood(String) = "wood" from_text,
            /// Made of any JSON.
            Made(Document) = "made",
        }
    }

    enumeration! {
        /// An enumeration.
        pub enum Colour {
            /// Red.
            Red = "red",
        }
    }

    fn round_trip(json: &str) -> String {
        serde_json::to_string(&serde_json::from_str::<Thing>(json).unwrap()).unwrap()
    }

    #[test]
    fn unknown_members_and_values_are_kept() {
        for json in [
            r#"{"size":1}"#,
            r#"{"size":1,"colour":"red","lid":{"wood":"oak"}}"#,
            r#"{"size":1,"colour":"mauve","lid":{"glass":{"thick":true}}}"#,
            r#"{"size":1,"lid":{"made":{"b":123456789012345678901234567890,"a":[1.0,null,"\u0000"]}}}"#,
            r#"{"size":1,"lid":{}}"#,
            r#"{"size":1,"new":{"z":1, "a":  null},"newer":1e400}"#,
        ] {
            assert_eq!(round_trip(json), json);
        }
    }

    #[test]
    fn null_counts_as_absent_and_ignored_members_are_dropped() {
        assert_eq!(round_trip(r#"{"size":1,"colour":null,"p":"abcdef"}"#), r#"{"size":1}"#);
        assert_eq!(
            round_trip(r#"{"size":1,"lid":{"wood":null,"made":1}}"#),
            r#"{"size":1,"lid":{"made":1}}"#
        );
        assert_eq!(
            round_trip(r#"{"size":1,"lid":{"__type":"x","wood":"oak"}}"#),
            r#"{"size":1,"lid":{"wood":"oak"}}"#
        );
    }

    #[test]
    fn of_members_of_one_name_the_last_counts() {
        assert_eq!(round_trip(r#"{"size":1,"size":2,"colour":"red","colour":null}"#), r#"{"size":2}"#);
        let lids = r#"{"id":"a","id":"b","parts":[{"wood":"oak"}],"parts":[{"wood":"elm"}]}"#;
        assert_eq!(serde_json::from_str::<Ask>(lids).unwrap(), Ask::new("b").part(Lid::Wood("elm".into())));
        let twice = r#"{"size":1,"lid":{"new":1},"lid":{"wood":"oak","made":2,"new":3}}"#;
        assert_eq!(round_trip(twice), r#"{"size":1,"lid":{"wood":"oak"}}"#);
    }

    #[test]
    fn a_missing_or_ill_typed_member_is_named() {
        let fault = |json| serde_json::from_str::<Thing>(json).unwrap_err().to_string();
        assert!(fault("{}").contains("missing field `size`"));
        assert!(fault(r#"{"size":"x"}"#).contains("expected u64"));
        assert!(fault("[]").contains("an object (Thing)"));
        assert!(fault(r#"{"size":1,"lid":"wood"}"#).contains("one member (Lid)"));
        assert!(fault(r#"{"size":null}"#).contains("invalid type: null, expected u64 at line 1 column 12"));
        assert!(fault("{\n\"colour\":\"red\"}").contains("missing field `size` at line 2 column 15"));
    }

    #[test]
    fn a_structure_is_its_own_builder() {
        let thing = Thing::new(3u64).colour("red").lid(Lid::Wood("elm".into()));
        assert_eq!(
            serde_json::to_string(&thing).unwrap(),
            r#"{"size":3,"colour":"red","lid":{"wood":"elm"}}"#
        );
    }

    #[test]
    fn a_label_is_in_the_structure_and_not_in_the_body() {
        let ask = Ask::new("x").part("oak").part(Lid::Made(Document::default()));
        let json = r#"{"id":"x","parts":[{"wood":"oak"},{"made":{}}],"new":1}"#;
        let read = serde_json::from_str::<Ask>(json).unwrap();
        assert_eq!(read.parts, ask.parts);
        assert_eq!(serde_json::to_string(&read).unwrap(), json);
        assert_eq!(read.body().unwrap(), json.replace(r#""id":"x","#, "").into_bytes());
        assert_eq!(Ask::new("x").body().unwrap(), b"{}");
        assert!(serde_json::from_str::<Ask>("{}").unwrap_err().to_string().contains("missing field `id`"));
    }

    #[test]
    fn a_structure_without_required_members_has_a_default() {
        assert_eq!(serde_json::to_string(&Empty::default()).unwrap(), "{}");
    }

    #[test]
    fn an_enumeration_lists_its_values() {
        assert_eq!(Colour::VALUES, ["red"]);
    }
}
