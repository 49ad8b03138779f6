//! Makes the setters of the structs that users fill in, and that may gain fields.

/// Implements `with_…` for the fields of a struct, each of which takes the field's value.
macro_rules! setters {
    ($type:ident: $($setter:ident $field:ident: $of:ty,)*) => {
        impl $type {
            $(
                #[doc = concat!("Sets [`", stringify!($field), "`](Self::", stringify!($field), ").")]
                #[must_use]
                pub fn $setter(mut self, $field: $of) -> Self {
                    self.$field = $field.into();
                    self
                }
            )*
        }
    };
}

pub(crate) use setters;
