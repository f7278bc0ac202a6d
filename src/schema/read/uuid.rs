//! UUIDs: with or without hyphens, in braces with them, or as `urn:uuid:` with them.

use super::{At, Context};
use crate::format::Raw;
use crate::reject::code;

/// Reads a UUID. Its text is its JSON form, so both modes accept it.
pub(super) fn read<'a>(at: At<'a, '_>, context: &mut Context<'a, '_>) -> Option<[u8; 16]> {
    let Raw::Text(text) = at.item.raw() else {
        return context.refuse(at, code::UUID_TYPE, format_args!("not the text of a UUID"));
    };
    match plain(text).and_then(|text| uuid::Uuid::try_parse(text).ok()) {
        Some(uuid) => Some(*uuid.as_bytes()),
        None => context.refuse(at, code::UUID_PARSING, format_args!("not a UUID")),
    }
}

/// The same, of one version.
pub(super) fn read_version<'a>(
    version: Option<u8>,
    at: At<'a, '_>,
    context: &mut Context<'a, '_>,
) -> Option<[u8; 16]> {
    let bytes = read(at, context)?;
    let uuid = uuid::Uuid::from_bytes(bytes);
    let is_rfc = uuid.get_variant() == uuid::Variant::RFC4122;
    match version {
        Some(version) if !is_rfc || uuid.get_version_num() != usize::from(version) => {
            context.refuse(at, code::UUID_VERSION, format_args!("not a UUID of version {version}"))
        }
        _ => Some(bytes),
    }
}

/// The digits, with or without hyphens, of the forms that Pydantic accepts. The crate accepts more forms from
/// version to version, so the forms are checked here.
fn plain(text: &str) -> Option<&str> {
    match text.len() {
        32 | 36 => Some(text),
        38 => text.strip_prefix('{')?.strip_suffix('}'),
        45 => text.strip_prefix("urn:uuid:"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::probe::{check, given, quoted};
    use super::super::super::{Field, Kind};

    #[test]
    fn the_forms_are_those_of_pydantic() {
        let field = Field::new("f", Kind::Uuid { version: None });
        let plain = "b91d39e4-b81a-4ac6-8048-7a967ab2af2b";
        let simple = plain.replace('-', "");
        for text in [
            plain.to_owned(),
            plain.to_uppercase(),
            simple.clone(),
            format!("{{{plain}}}"),
            format!("urn:uuid:{plain}"),
        ] {
            assert_eq!(given(&field, &quoted(&text)), quoted(plain), "{text}");
        }
        for text in [
            format!("URN:UUID:{plain}"),
            format!("urn:uuid:{simple}"),
            format!("{{{simple}}}"),
            format!("({plain})"),
            format!(" {plain}"),
            format!("{plain}0"),
            plain.replace('4', "g"),
            String::new(),
        ] {
            assert_eq!(given(&field, &quoted(&text)), "uuid_parsing", "{text}");
        }
        check(&field, &[("1", "uuid_type"), ("null", "uuid_type")]);
    }
}
