//! Tests every kind of event through its records, and records that are not an event.

use proptest::prelude::*;

use super::*;
use crate::event::Outcome;
use crate::ids::{Tag, TaskId, Timestamp};
use crate::text::Text;

fn round_trip(at: Timestamp, event: Event) -> usize {
    let packed = Packed::new(at, event);
    let records: Vec<Record> = packed.records(9).collect();
    assert_eq!(unpack(&records), Ok((at, event)));
    records.len()
}

#[test]
fn a_task_is_one_record_until_it_no_longer_fits() {
    let at = Timestamp(1 << 50);
    let ran = |task, start| Event::TaskRan {
        task: TaskId(task),
        tag: Tag(7),
        outcome: Outcome::Failed,
        queued: Timestamp(at.0 - 5_000),
        start: Timestamp(at.0 - start),
    };
    assert_eq!(round_trip(at, ran(u64::from(u32::MAX), 900)), 1);
    assert_eq!(round_trip(at, ran(u64::from(u32::MAX) + 1, 900)), 2);
    assert_eq!(round_trip(at, ran(1, 5_000_000_000)), 2);
}

#[test]
fn a_label_takes_what_its_text_needs() {
    let label = |text: &str| Event::Label { kind: LabelKind::Tag, id: 3, text: Text::new(text) };
    assert_eq!(round_trip(Timestamp(1), label("Echo")), 2);
    assert_eq!(round_trip(Timestamp(1), label(&"x".repeat(79))), 6);
    for text in ["", "Echo", "a longer label than one record holds"] {
        let packed = Packed::label(Ticks(7), LabelKind::Tag, 3, InlineText::new(text));
        let (at, event) = unpack(&packed.records(1).collect::<Vec<_>>()).unwrap();
        assert_eq!((at, event), (Timestamp(7), label(text)), "as programs record it");
    }
}

#[test]
fn mismatched_parts_are_refused() {
    let at = Timestamp(5);
    let text = Text::new("a longer label than one record holds");
    let records: Vec<Record> =
        Packed::new(at, Event::Label { kind: LabelKind::Span, id: 1, text }).records(1).collect();
    assert_eq!(unpack::<Timestamp>(&records[1..]), Err(RecordError::Parts));
    assert_eq!(unpack::<Timestamp>(&[]), Err(RecordError::Parts));
    let mut swapped = records.clone();
    swapped.swap(0, 1);
    assert_eq!(unpack::<Timestamp>(&swapped), Err(RecordError::Parts));
}

#[test]
fn unknown_kinds_are_named() {
    let stamp = Stamp::new(1, 250, 0, false, 0, 1);
    let error = unpack::<Timestamp>(&[[1, stamp.0, 0, 0]]);
    assert_eq!(error, Err(RecordError::Decode(DecodeError::UnknownKind(250))));
}

/// Words of every size class, which decides between narrow and wide.
fn any_word() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 0..16_u64, any::<u32>().prop_map(u64::from), any::<u64>()]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..Default::default() })]

    /// Random words that decode as an event must come back as the same event through its records.
    #[test]
    fn every_kind_survives_its_records(
        kind in 0..Event::<Ticks>::KINDS.len(),
        words in prop::collection::vec(any_word(), FIELDS_MAX),
        at in any_word(),
        tag: u16,
        text in "[a-zäß ]{0,90}",
    ) {
        let code = Event::<Ticks>::KINDS[kind].0;
        let mut fields = Fields { tag, ..Fields::default() };
        words.iter().for_each(|word| fields.push(*word));
        let inline = InlineText::new(&text).to_words();
        // Small numbers for enumeration fields, text for text fields.
        for attempt in 0..5_u64 {
            let mut tried = fields;
            match attempt {
                1 => tried.words.iter_mut().for_each(|word| *word %= 6),
                2 => tried.words.iter_mut().step_by(2).for_each(|word| *word %= 3),
                3 => {
                    tried.words[..2].iter_mut().for_each(|word| *word = *word % 5 + 1);
                    tried.words[2..2 + inline.len()].copy_from_slice(&inline);
                }
                4 => tried.words[1] = ((tried.words[1] % 8 + 1) << 4) + tried.words[1] % 8 + ((tried.words[1] >> 60) << 8),
                _ => {}
            }
            if let Ok(event) = Event::from_fields(code, Ticks(at), &tried) {
                let packed = Packed::new(Ticks(at), event);
                prop_assert!(packed.parts() <= PARTS_MAX);
                let records: Vec<Record> = packed.records(3).collect();
                prop_assert_eq!(unpack(&records), Ok((Ticks(at), event)));
                let single = packed.single().map(|record| vec![record]);
                prop_assert_eq!(single, (records.len() == 1).then(|| packed.records(0).collect()));
            }
        }
    }

    #[test]
    fn any_records_are_harmless(records in prop::collection::vec(any::<Record>(), 0..10)) {
        let _any = unpack::<Ticks>(&records);
    }
}

/// The property above decodes whatever random words give; this ensures that it reaches every kind.
#[test]
fn every_kind_can_be_decoded_from_small_words() {
    for (code, name) in Event::<Ticks>::KINDS {
        let decoded =
            Fields::small().iter().any(|fields| Event::from_fields(*code, Ticks(9), fields).is_ok());
        assert!(decoded, "{name}");
    }
}
