//! Tests of the reader: what it accepts, and how it reports the rest.

use std::io::{self, Write as _};

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;

use super::*;

/// The contents of a file: its events as text, what was skipped, and how it ended.
type Seen = (Vec<String>, Vec<Skip>, Ending);

/// Returns `limit` bytes at a time, as a pipe may.
struct Slowly<'a>(&'a [u8], usize);

impl Read for Slowly<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.0.len().min(out.len()).min(self.1);
        out[..count].copy_from_slice(&self.0[..count]);
        self.0 = &self.0[count..];
        Ok(count)
    }
}

fn read(bytes: &[u8]) -> Result<Seen, ReadError> {
    let mut reader = ChromeReader::new(Slowly(bytes, 7))?;
    let (mut events, mut skipped) = (Vec::new(), Vec::new());
    while let Some(item) = reader.read()? {
        match item {
            Item::Event { text, place } => {
                let at = place.offset as usize;
                assert!(
                    reader_is_plain(bytes) && &bytes[at..at + text.len()] == text || !reader_is_plain(bytes)
                );
                events.push(String::from_utf8_lossy(text).into_owned());
            }
            Item::Skipped { why, .. } => skipped.push(why),
            Item::Other { .. } => {}
        }
    }
    Ok((events, skipped, reader.ending()))
}

fn reader_is_plain(bytes: &[u8]) -> bool {
    !bytes.starts_with(&[0x1f, 0x8b])
}

fn refused(bytes: &[u8]) -> String {
    read(bytes).unwrap_err().to_string()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn both_forms_and_keys_in_any_order() {
    let events = [r#"{"ph":"i","args":{"a":"]}\"{"}}"#, r#"{"ph":"X"}"#].map(str::to_owned).to_vec();
    let list = format!("[{}]", events.join(",\n"));
    let whole = (events.clone(), vec![], Ending::Whole);
    assert_eq!(read(list.as_bytes()).unwrap(), whole);
    let object =
        format!("{{\"displayTimeUnit\":\"ns\",\"a\":[1,{{}}],\"traceEvents\":{list},\"b\":-1.5e3 }}\n");
    assert_eq!(read(object.as_bytes()).unwrap(), whole);
    assert_eq!(read(&gzip(list.as_bytes())).unwrap(), whole);
    // As produced by `cat a.gz b.gz`.
    let (first, second) = list.split_at(9);
    assert_eq!(read(&[gzip(first.as_bytes()), gzip(second.as_bytes())].concat()).unwrap(), whole);
    assert_eq!(read(format!("\u{feff}{list}").as_bytes()).unwrap(), whole);
}

#[test]
fn a_cut_file_gives_its_whole_events() {
    let list = r#"[{"ph":"X"}, {"ph":"B"}, {"ph":"E"}]"#;
    let (events, _, ending) = read(&list.as_bytes()[..30]).unwrap();
    assert_eq!((events.len(), ending), (2, Ending::CutOff(Position { offset: 25, line: 1 })));
    let (events, _, ending) = read(&list.as_bytes()[..24]).unwrap();
    assert_eq!((events.len(), ending), (2, Ending::Unclosed(Position { offset: 24, line: 1 })));
    let packed = gzip(list.as_bytes());
    let (events, _, _) = read(&packed[..packed.len() - 4]).unwrap();
    assert_eq!(events.len(), 3, "what a checksum is missing for was unpacked all the same");
}

#[test]
fn what_is_no_trace_is_refused_by_name() {
    let cloud = br#"{"projectId":"p","traceId":"1","spans":[{"spanId":"1"}]}"#;
    assert!(refused(cloud).contains("a Google Cloud trace"), "{}", refused(cloud));
    for (bytes, what) in [
        (&b""[..], "empty"),
        (b" \n\t ", "empty"),
        (b"<!doctype html><html>", "HTML"),
        (&crate::format::FILE_MAGIC, "a loopscope trace already"),
        (b"hello", "begins with `h`"),
        (b"\x28\xb5\x2f\xfd....", "zstd"),
        (br#"{"ph":"X","name":"a"}"#, "a single event"),
        (br#"{"a":1"#, "cut off"),
        (br#"{"traceEvents":7}"#, "the list of events"),
        (b"[}", "expected an event, found `}`"),
        (b"{]", "expected a key, found `]`"),
        (br#"{"a" 1}"#, "expected a colon"),
    ] {
        let said = refused(bytes);
        assert!(said.contains(what), "{said}");
        assert!(!said.contains('\n') && said.len() < 200, "{said}");
    }
}

#[test]
fn hostile_values_cost_only_themselves() {
    let deep = format!("[{{\"a\":{}{}}},{{\"ph\":\"X\"}},7,null,\"x\"]", "[".repeat(5000), "]".repeat(5000));
    let (events, skipped, _) = read(deep.as_bytes()).unwrap();
    assert_eq!(
        (events.len(), &skipped[..]),
        (1, &[Skip::TooDeep, Skip::NoObject, Skip::NoObject, Skip::NoObject][..])
    );

    let long = format!("[{{\"a\":\"{}\"}},{{\"ph\":\"X\"}}]", "x".repeat(VALUE_BYTES_MAX + 10));
    let mut reader = ChromeReader::new(long.as_bytes()).unwrap();
    assert!(matches!(reader.read(), Ok(Some(Item::Skipped { why: Skip::TooLong, .. }))));
    assert!(matches!(reader.read(), Ok(Some(Item::Event { .. }))));
    assert!(matches!(reader.read(), Ok(None)));
}

fn parsed(text: &str) -> (ChromeEvent<'static>, Vec<Flaw>) {
    let text: &'static str = Box::leak(text.to_owned().into_boxed_str());
    let scratch: &'static mut String = Box::leak(Box::default());
    let event = ChromeEvent::parse(text.as_bytes(), scratch).unwrap();
    let flaws = event.flaws().collect();
    (event, flaws)
}

#[test]
fn fields_are_read_as_they_are_written() {
    let (event, flaws) = parsed(r#"{"ph":"X","name":"aé\n","ts":"12.5","dur":3,"pid":"7","tid":"main"}"#);
    assert_eq!((event.phase, event.name.as_deref()), (b'X', Some("aé\n")));
    assert_eq!(event.ts.map(Micros::ns), Some(12_500));
    assert_eq!(event.pid, Some(EventId::Number(7)));
    assert_eq!(event.tid, Some(EventId::Text("main".into())));
    assert_eq!(flaws, [Flaw::TimeAsText, Flaw::ThreadAsText]);
    let (event, flaws) = parsed(r#"{"ph":"BB","ts":1e300,"name":3,"id2":{"local":"0x1"},"ts":5}"#);
    assert_eq!((event.phase, event.name, event.id_is_local), (0, None, true));
    assert_eq!(event.ts.map(Micros::ns), Some(5_000));
    assert_eq!(flaws, [Flaw::BadTime, Flaw::WrongType]);
    assert_eq!(parsed(r#"{"name":"a","name":"b"}"#).1, [Flaw::DuplicateKey]);
    let (event, flaws) = parsed(r#"{"name":"a\ud800b","\udc00":1}"#);
    assert_eq!(flaws, [Flaw::InvalidText]);
    assert!(event.name.unwrap().contains('\u{fffd}'));
}

#[test]
fn invalid_text_is_repaired() {
    let mut scratch = String::new();
    let event = ChromeEvent::parse(b"{\"name\":\"a\xff\tb\",\"ph\":\"i\"}", &mut scratch).unwrap();
    assert_eq!((event.name.as_deref(), event.phase), (Some("a\u{fffd} b"), b'i'));
    assert!(ChromeEvent::parse(b"{\"ts\":NaN}", &mut String::new()).is_err());
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes);
    }

    #[test]
    fn any_json_like_text_is_read_or_refused(text in r#"[\[{]([\[\]{}:, "\\a1-]|"ph":"X"|"traceEvents":){0,60}"#) {
        if let Ok((events, ..)) = read(text.as_bytes()) {
            for event in events {
                let _ = ChromeEvent::parse(event.as_bytes(), &mut String::new());
            }
        }
    }

    #[test]
    fn any_cut_is_an_error_or_a_prefix(cut in 0usize..400) {
        let events: Vec<String> = (0..12).map(|n| format!("{{\"ph\":\"X\",\"name\":\"é{n}\",\"ts\":{n}}}")).collect();
        for whole in [format!("[{}]", events.join(",")), format!("{{\"a\":1,\"traceEvents\":[{}]}}", events.join(","))] {
            let cut = cut.min(whole.len());
            if let Ok((seen, skipped, _)) = read(&whole.as_bytes()[..cut]) {
                prop_assert_eq!(&seen[..], &events[..seen.len()]);
                prop_assert!(skipped.is_empty());
            }
        }
    }
}
