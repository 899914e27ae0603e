//! Missing parts of a file for which no header says how many records they held.

use super::*;
use crate::analysis::diff::Run;
use crate::analysis::gate::{Gate, Limit, Outcome};
use crate::format::TRAILER_BYTES;
use crate::loss::Bounds;
use crate::summary::Summary;
use crate::timeline::Timeline;

fn script() -> Script {
    Script { ticks: 40, ..Script::default() }
}

fn records_blocks(file: &[u8]) -> Vec<BlockPlace> {
    let mut blocks = open(file).unwrap().blocks().to_vec();
    blocks.retain(|block| block.header.kind == BlockKind::RECORDS);
    blocks
}

/// Makes the index unusable, so that the blocks are found by their headers.
fn without_index(mut file: Vec<u8>) -> Vec<u8> {
    let at = file.len() - TRAILER_BYTES - 1;
    file[at] ^= 1;
    file
}

/// Appends a counts block to the blocks of `file`, as a recorder would.
fn with_counts(file: &[u8], payload: &[u8]) -> Vec<u8> {
    with_block(file, BlockKind::COUNTS, payload)
}

fn with_block(file: &[u8], kind: BlockKind, payload: &[u8]) -> Vec<u8> {
    let blocks = open(file).unwrap().blocks().to_vec();
    let last = blocks.last().unwrap();
    let end = last.header.end(last.offset) as usize;
    [&file[..end], &stored_block(kind, payload, last.header)].concat()
}

#[test]
fn a_block_of_a_kind_that_its_version_does_not_have_is_a_gap() {
    let file = file_of(&script(), SMALL);
    let whole = open(&file).unwrap();
    let place = records_blocks(&file)[1];
    let mut header = place.header;
    let mut bytes = file.clone();
    header.kind = BlockKind(9);
    let at = place.offset as usize;
    bytes[at..at + BLOCK_HEADER_BYTES].copy_from_slice(&header.to_bytes());
    let bytes = without_index(bytes);
    assert!(lost_with_all_undecided(&bytes, 1) > 0);
    // A newer version may define the kind, so there it is not damage.
    let mut newer = bytes;
    newer[10] += 1;
    let metadata = 20..20 + u32::from_le_bytes(newer[12..16].try_into().unwrap()) as usize;
    let crc = crc32fast::hash(&[&newer[..16], &newer[metadata]].concat());
    newer[16..20].copy_from_slice(&crc.to_le_bytes());
    let mut reader = open(&newer).unwrap();
    drain(&mut reader);
    assert_eq!((reader.counts().uncounted_gaps, reader.blocks_skipped), (0, 1));
    assert!(whole.version().minor < reader.version().minor);
}

fn summary_of(reader: &mut TraceReader<Cursor<&[u8]>>) -> (Vec<Stamped>, Summary) {
    let events = drain(reader);
    let mut timeline = Timeline::of(EventSource::metadata(reader));
    timeline.extend(&events);
    timeline.counts = reader.counts();
    let mut summary = Summary::new(&*reader, &timeline);
    // Gates on a recording that was cut off are undecided in any case, which would hide the effect of the gap.
    summary.source.state = crate::summary::StateSummary::Closed;
    (events, summary)
}

/// Asserts that every gate is undecided. Returns the least number of lost records, on which the stream and the counts
/// agree.
fn lost_with_all_undecided(file: &[u8], gaps: u64) -> u64 {
    let [drained, lost] = losses_with_all_undecided(file, gaps);
    assert_eq!(drained, lost);
    lost
}

/// Like [`lost_with_all_undecided`], for a file whose stream and counts may differ: returns the lost records of each.
fn losses_with_all_undecided(file: &[u8], gaps: u64) -> [u64; 2] {
    let mut reader = open(file).unwrap();
    let (events, summary) = summary_of(&mut reader);
    assert_eq!(summary.uncounted_gaps, gaps, "{:?}", reader.damage());
    assert_eq!(summary.lost_records, reader.counts().lost_records);
    assert_eq!(summary.ticks.stalls_bounds.map(|bounds| bounds.hi), Some(None));
    assert_eq!(summary.ticks.run_ns.bounds.map(|bounds| bounds.max.hi), Some(None));
    let lost = [lost(&events), summary.lost_records];
    let text = crate::report::text(&summary);
    // The damaged block may have held only labels, unless ticks are missing there.
    let least = u64::from(summary.ticks.missing > 0);
    assert_eq!(summary.lost_records_bounds, Some(Bounds { lo: least, hi: None }));
    let drained = if least > 0 { "lost ≥1" } else { "lost unknown" };
    assert!(text.contains(drained) && text.contains("unknown number of records"), "{text}");
    let run = Run { name: "t".to_owned(), summary, metadata: None };
    for metric in ["stalls", "ticks.run.max", "tasks.run.p99", "tasks.count", "busy", "timer_lag.max", "lost"]
    {
        let gate = Gate::new(metric.parse().unwrap(), Limit::Max(1e15)).unwrap();
        let judged = gate.judge(&run).unwrap();
        assert_eq!(judged.outcome, Outcome::Undecided, "{metric}: {judged:?}");
        let why = judged.why.unwrap();
        assert!(why.contains("with an unknown number of records"), "{why}");
    }
    let none = Gate::new("lost".parse().unwrap(), Limit::Max(0.0)).unwrap().judge(&run).unwrap();
    assert_eq!(none.outcome, if least > 0 { Outcome::Failed } else { Outcome::Undecided });
    lost
}

#[test]
fn a_part_without_a_header_has_lost_an_unknown_number_of_records() {
    let whole = without_index(file_of(&script(), SMALL));
    let blocks = records_blocks(&whole);
    assert!(blocks.len() > 4);
    for place in [0, 1, blocks.len() / 2, blocks.len() - 1] {
        let BlockPlace { offset, header } = blocks[place];
        let (begin, end) = (offset as usize, header.end(offset) as usize);
        let mut flipped = whole.clone();
        flipped[begin + 20] ^= 1;
        let zeros = [&whole[..begin], &vec![0; end - begin][..], &whole[end..]].concat();
        let hole = [&whole[..begin], &[0; 4096], &whole[end..]].concat();
        for file in [flipped, zeros, hole] {
            assert_eq!(lost_with_all_undecided(&file, 1), 1, "block {place}");
            // The gap is announced between the events before and after it.
            let drained = drain(&mut open(&file).unwrap());
            let at = drained.iter().position(is_lost).unwrap();
            let events = blocks[..place].iter().map(|block| block.header.events as usize).sum::<usize>();
            let rest = drained[at..].iter().filter(|stamped| !is_lost(stamped)).count();
            let labels = drained[..at].iter().filter(|it| matches!(it.event, Event::Label { .. })).count();
            assert!(at == events || place == 0 && at == labels, "block {place}: {at}, {events}");
            assert!(rest > 0 || place == blocks.len() - 1);
        }
    }
    let mut two = whole.clone();
    for place in [1, blocks.len() - 1] {
        two[blocks[place].offset as usize + 20] ^= 1;
    }
    assert_eq!(lost_with_all_undecided(&two, 2), 2);
}

#[test]
fn a_gap_is_announced_again_after_seeking_back() {
    let mut file = without_index(file_of(&script(), SMALL));
    let blocks = records_blocks(&file);
    file[blocks[2].offset as usize + 20] ^= 1;
    let mut reader = open(&file).unwrap();
    let once = drain(&mut reader);
    reader.seek(Timestamp(0)).unwrap();
    let again = drain(&mut reader);
    // The second pass knows more emitters, each of which reports the gap.
    let rest = |events: &[Stamped]| events.iter().filter(|it| !is_lost(it)).copied().collect::<Vec<_>>();
    assert!(rest(&again) == rest(&once));
    assert_eq!((lost(&once), lost(&again)), (1, 1));
    assert_eq!((reader.counts().lost_records, reader.counts().uncounted_gaps), (1, 1));
}

#[test]
fn a_damaged_block_that_claims_no_records_has_lost_an_unknown_number() {
    let whole = without_index(file_of(&script(), SMALL));
    let blocks = records_blocks(&whole);
    for place in [1, blocks.len() - 1] {
        let BlockPlace { offset, header } = blocks[place];
        for header in [
            BlockHeader { records: 0, events: 0, ..header },
            // The payload is intact, so the header is wrong.
            BlockHeader { records: 1, events: 1, ..header },
        ] {
            let mut file = whole.clone();
            file[offset as usize..][..BLOCK_HEADER_BYTES].copy_from_slice(&header.to_bytes());
            assert_eq!(lost_with_all_undecided(&file, 1), 1, "block {place}");
        }
    }
}

#[test]
fn counts_in_a_damaged_block_are_unknown() {
    let whole = file_of(&script(), SMALL);
    let counts: Vec<u8> = [0_u64, 7, 0, 0, 0].iter().flat_map(|count| count.to_le_bytes()).collect();
    let counted = with_counts(&whole, &counts);
    assert_eq!(open(&counted).unwrap().counts().before_attach, 7);
    let mut flipped = counted.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for file in [flipped, with_counts(&whole, &counts[..8])] {
        // It is unknown where events are missing, so the stream has no `Lost` event.
        assert_eq!(losses_with_all_undecided(&file, 1), [0, 1]);
        assert_eq!(summary_of(&mut open(&file).unwrap()).1.ticks.stalls_bounds.map(|all| all.lo), Some(0));
        let reader = open(&file).unwrap();
        let [damage] = reader.damage() else { panic!("{:?}", reader.damage()) };
        assert!(matches!(damage.kind, DamageKind::Checksum | DamageKind::Counts), "{damage}");
    }
    let mut old = open(&with_counts(&whole, &counts[..32])).map(|reader| reader.counts()).unwrap();
    assert_eq!((old.before_attach, old.uncounted_gaps), (7, 0));
    old.uncounted_gaps = 3;
    let again: Vec<u8> = [0_u64, 7, 0, 0, 3].iter().flat_map(|count| count.to_le_bytes()).collect();
    assert_eq!(open(&with_counts(&whole, &again)).unwrap().counts(), old);
}

#[test]
fn labels_longer_than_allowed_are_damaged() {
    let whole = file_of(&script(), SMALL);
    let text = [&[1, 9, 0, 0, 0, 96][..], &[b'x'; 96]].concat();
    let file = with_block(&whole, BlockKind::LABELS, &text);
    let mut reader = open(&file).unwrap();
    drain(&mut reader);
    assert_eq!(reader.damage()[0].kind, DamageKind::Labels);
    assert_eq!(reader.counts().uncounted_gaps, 0, "the records have the same names");
}

#[test]
fn a_damaged_header_of_the_index_loses_no_records() {
    let mut file = file_of(&script(), SMALL);
    let last = *open(&file).unwrap().blocks().last().unwrap();
    file[last.header.end(last.offset) as usize + 20] ^= 1;
    let mut reader = open(&file).unwrap();
    assert_eq!(drain(&mut reader), script().events());
    assert_eq!((reader.is_finished(), reader.counts()), (true, SourceCounts::default()));
    assert_eq!(reader.damage().iter().map(|damage| damage.kind).collect::<Vec<_>>(), [DamageKind::Index]);
}

#[test]
fn a_loss_that_only_the_counts_know_may_have_been_anywhere() {
    let whole = file_of(&script(), SMALL);
    let counts: Vec<u8> = [1000_u64, 0, 0, 0, 0].iter().flat_map(|count| count.to_le_bytes()).collect();
    let file = with_counts(&whole, &counts);
    let (events, summary) = summary_of(&mut open(&file).unwrap());
    assert_eq!((lost(&events), summary.lost_records), (0, 1000));
    assert_eq!(summary.ticks.stalls_bounds.map(|bounds| bounds.hi), Some(Some(1000)));
    let run = Run { name: "t".to_owned(), summary, metadata: None };
    let outcome = |metric: &str, max: f64| {
        let gate = Gate::new(metric.parse().unwrap(), Limit::Max(max)).unwrap();
        gate.judge(&run).unwrap().outcome
    };
    for (metric, max) in
        [("stalls", 999.0), ("ticks.run.max", 1e12), ("tasks.run.p99", 1e12), ("timer_lag.max", 1e12)]
    {
        assert_eq!(outcome(metric, max), Outcome::Undecided, "{metric}");
    }
    assert_eq!((outcome("lost", 0.0), outcome("lost", 1000.0)), (Outcome::Failed, Outcome::Held));
}
