//! JSON objects that are read key by key.

use std::collections::HashMap;

use serde_json::value::RawValue;

/// Returns the raw values of an object. None if the text is not an object.
pub(super) fn object(json: &str) -> Option<HashMap<String, &RawValue>> {
    serde_json::from_str(json).ok()
}

/// Returns the string of a key.
pub(super) fn text(object: &HashMap<String, &RawValue>, key: &str) -> Option<String> {
    serde_json::from_str(object.get(key)?.get()).ok()
}

/// Returns the number of a key. None unless it consists of digits.
pub(super) fn count(object: &HashMap<String, &RawValue>, key: &str) -> Option<u64> {
    let digits = object.get(key)?.get();
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}
