//! Reads and writes values beside the names of their classes: `{"className":…,"data":…}`.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::read::object;
use crate::write::string;

/// Points to a value within its frame.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Typed<'a> {
    #[serde(borrow, rename = "className")]
    pub(super) class: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) data: &'a RawValue,
}

/// Lists the classes that every client knows (Serverpod's serialization, `deserializeByClassName`).
const BUILT_IN: [&str; 18] = [
    "null",
    "int",
    "double",
    "String",
    "bool",
    "DateTime",
    "Duration",
    "UuidValue",
    "Uri",
    "BigInt",
    "ByteData",
    "Vector",
    "HalfVector",
    "SparseVector",
    "Bit",
    "List",
    "Set",
    "Map",
];

impl<'a> Typed<'a> {
    /// Reads a value beside its class; none if it is another JSON.
    pub(super) fn read(raw: &'a RawValue) -> Option<Self> {
        object(raw.get())
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        typed(&self.class, |out| out.extend(self.data.get().as_bytes()), out);
    }

    /// Returns true for a class that needs no model.
    pub(super) fn is_built_in(&self) -> bool {
        BUILT_IN.contains(&&*self.class)
    }
}

/// Writes a value beside its class; `fill` appends the data.
pub(super) fn typed(class: &str, fill: impl FnOnce(&mut Vec<u8>), out: &mut Vec<u8>) {
    out.extend(br#"{"className":"#);
    string(class, out);
    out.extend(br#","data":"#);
    fill(out);
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use serde::Serialize;

    use super::*;

    fn again(text: &str) -> String {
        let raw: &RawValue = serde_json::from_str(text).expect("JSON");
        let mut out = Vec::new();
        Typed::read(raw).expect(text).write(&mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    fn encoded(class: &str, value: impl Serialize) -> String {
        let mut out = Vec::new();
        typed(class, |out| serde_json::to_writer(out, &value).expect("a Vec takes it"), &mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    /// Follows `encode_with_type_test.dart` of Serverpod's serialization.
    #[test]
    fn every_value_with_its_type_is_read_and_written_to_the_byte() {
        let vectors = [
            (encoded("int", 1), r#"{"className":"int","data":1}"#),
            (encoded("double", 1.0), r#"{"className":"double","data":1.0}"#),
            (encoded("String", "hello"), r#"{"className":"String","data":"hello"}"#),
            (encoded("bool", true), r#"{"className":"bool","data":true}"#),
            (encoded("null", ()), r#"{"className":"null","data":null}"#),
            (
                encoded("Uri", "https://serverpod.dev"),
                r#"{"className":"Uri","data":"https://serverpod.dev"}"#,
            ),
            (encoded("BigInt", "-1"), r#"{"className":"BigInt","data":"-1"}"#),
            (encoded("Vector", [1.0, 2.0, 3.0]), r#"{"className":"Vector","data":[1.0,2.0,3.0]}"#),
            (
                encoded("SparseVector", [1.0, 0.0, 2.0, 0.0, 3.0]),
                r#"{"className":"SparseVector","data":[1.0,0.0,2.0,0.0,3.0]}"#,
            ),
            (
                encoded("Bit", [true, false, true, false, true]),
                r#"{"className":"Bit","data":[true,false,true,false,true]}"#,
            ),
        ];
        for (encoded, vector) in vectors {
            assert_eq!((&*encoded, &*again(vector)), (vector, vector));
        }
    }

    /// Follows `encode_with_type_test.dart` of Serverpod's test server, `exception_from_test.dart` and
    /// `dynamic_field_serialization_test.dart`.
    #[test]
    fn models_and_maps_are_read_with_and_without_their_own_names() {
        for vector in [
            r#"{"className":"SimpleData","data":{"__className__":"SimpleData","num":1}}"#,
            r#"{"className":"serverpod.ClusterServerInfo","data":{"__className__":"serverpod.ClusterServerInfo","serverId":"Credentials World"}}"#,
            r#"{"className":"Map","data":[{"k":{"className":"String","data":"a"},"v":{"className":"int","data":1}},{"k":{"className":"int","data":2},"v":{"className":"String","data":"two"}}]}"#,
        ] {
            assert_eq!(again(vector), vector);
        }
        let spaced = r#"{"className": "TestException", "data": {"message": "A custom exception"}}"#;
        assert_eq!(
            again(spaced),
            r#"{"className":"TestException","data":{"message": "A custom exception"}}"#
        );
    }

    #[test]
    fn characters_are_escaped_where_dart_escapes_them_and_nowhere_else() {
        assert_eq!(encoded("String", "\"\\/\u{7f}é\u{1f}\u{8}\t\n\u{c}\r").as_str(), {
            concat!(r#"{"className":"String","data":"\"\\/"#, "\u{7f}é", r#"\u001f\b\t\n\f\r"}"#)
        });
    }
}
