//! Recognises files that are not Chrome traces, so that the reader can refuse them by name.

use crate::format::FILE_MAGIC;

/// What else the file is, judged by its first bytes.
pub(super) fn foreign(head: &[u8]) -> Option<String> {
    let text = head.trim_ascii_start();
    let known = if head.starts_with(&FILE_MAGIC) {
        "it is a loopscope trace already: view it with `loopscope replay`"
    } else if head.starts_with(b"LOOPRING") {
        "it is the ring of a process: save it with `loopscope record`"
    } else if text.starts_with(b"<") {
        "it looks like HTML or XML"
    } else if head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        "it is compressed with zstd: decompress it first"
    } else if head.starts_with(b"PK\x03\x04") {
        "it is a ZIP archive: unpack it first"
    } else if head.starts_with(b"BZh") || head.starts_with(b"\xfd7zXZ") {
        "it is compressed with bzip2 or xz: decompress it first"
    } else if head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff]) {
        "it is UTF-16 text: convert it to UTF-8 first"
    } else if head.starts_with(b"\x0a") && head.iter().any(|byte| *byte < 9) {
        "it looks like Perfetto's own protobuf: convert it to JSON with `traceconv json`"
    } else if head.contains(&0) {
        "it is binary"
    } else {
        return None;
    };
    Some(known.to_owned())
}

/// Describes a file that begins with a character other than those of JSON lists and objects.
pub(super) fn beginning(first: u8) -> String {
    format!("it begins with {} and not with [ or {{", byte(first))
}

/// A byte in printable form.
pub(super) fn byte(byte: u8) -> String {
    if byte.is_ascii_graphic() { format!("`{}`", char::from(byte)) } else { format!("byte 0x{byte:02x}") }
}

/// Describes an object without a list of events.
pub(super) fn object(keys: &[String]) -> String {
    let has = |key: &str| keys.iter().any(|known| known == key);
    let known = if has("traceId") && has("spans") {
        ", like a Google Cloud trace"
    } else if has("resourceSpans") {
        ", like an OpenTelemetry trace"
    } else if has("nodes") && has("samples") {
        ", like a V8 CPU profile"
    } else if has("$schema") && has("profiles") {
        ", like a speedscope profile"
    } else if has("snapshot") && has("nodes") {
        ", like a V8 heap snapshot"
    } else if has("meta") && has("threads") {
        ", like a Firefox profile"
    } else if has("ph") {
        ": a single event, where a list of events is needed"
    } else {
        ""
    };
    if keys.is_empty() {
        return "it is an object without traceEvents".to_owned();
    }
    format!("it is an object without traceEvents, but with {}{known}", keys.join(", "))
}
