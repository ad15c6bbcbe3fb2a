//! JSON that is read key by key, and what is not asked for not at all.

use std::collections::HashMap;

use serde_json::value::RawValue;

/// An object's values as they stand in the text; nothing where it is no object.
pub(super) fn object(json: &str) -> Option<HashMap<String, &RawValue>> {
    serde_json::from_str(json).ok()
}

/// The text under a key.
pub(super) fn text(object: &HashMap<String, &RawValue>, key: &str) -> Option<String> {
    serde_json::from_str(object.get(key)?.get()).ok()
}

/// The count under a key, digit by digit.
pub(super) fn count(object: &HashMap<String, &RawValue>, key: &str) -> Option<u64> {
    let digits = object.get(key)?.get();
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}
