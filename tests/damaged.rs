//! Tests traces and rings that are truncated, damaged, hostile, too new, or written to a full disk.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::support::program::{Place, Running, text};

fn recorded(place: &Place, duration: &str) -> Vec<u8> {
    let trace = place.file("whole.looptrace");
    place.succeed(&["demo", "--duration", duration, "--no-tui", "--record", text(&trace)]);
    fs::read(trace).expect("the recording can be read")
}

#[test]
fn a_cut_trace_yields_its_whole_blocks_or_one_line() {
    let place = Place::new();
    let whole = recorded(&place, "2s");
    let cut = place.file("cut.looptrace");
    let (mut read, mut refused) = (0, 0);
    // Every length up to 64 bytes, then steps that are no multiple of any size in the format.
    for length in (0..64).chain((64..whole.len()).step_by(whole.len() / 40 + 7)) {
        fs::write(&cut, &whole[..length]).unwrap();
        let output = place.run(&["report", text(&cut), "--json"]);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(stderr.lines().count(), 1, "cut at {length}: {stderr}");
        match output.status.code() {
            Some(0) => {
                read += 1;
                let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
                assert_eq!(summary["schema"], 1);
            }
            Some(3) => refused += 1,
            code => panic!("cut at {length}: exit {code:?}: {stderr}"),
        }
    }
    assert!(read > 10 && refused > 10, "{read} read, {refused} refused");
}

/// The demo continues, but its later activity is unknown to its summary and to its recording.
#[test]
fn a_demo_whose_ring_is_truncated_continues_and_says_so() {
    let place = Place::new();
    let (saved, gates) = (place.file("a.looptrace"), place.file("gates.toml"));
    let limits = [("lost", "0"), ("stalls", "0"), ("ticks.count", "1000000"), ("timer_lag.max", "\"1000s\"")];
    let limits = limits.map(|(metric, max)| format!("[[gate]]\nmetric = \"{metric}\"\nmax = {max}\n"));
    fs::write(&gates, limits.concat()).unwrap();
    let expect_open = |report: &serde_json::Value, what: &str| {
        assert_eq!(report["source"]["state"], "unclosed", "{what}");
        assert_eq!(report["closed"], false, "{what}");
        assert!(report["uncounted_gaps"].as_u64() > Some(0), "{what}");
        assert!(report["lost_records_bounds"][1].is_null(), "{what}");
        assert!(report["ticks"]["count"].as_u64() > Some(0), "{what}: what was read before is kept");
    };
    // Keeps nothing; the header; the header and a part of the rings; everything in use.
    for bytes in [0, 4096, 417_792, 5_000_000] {
        for is_saved in [false, true] {
            let what = format!("truncated to {bytes} bytes, saved: {is_saved}");
            // Longer than this test takes, because the truncated ring no longer shows whether the loop runs.
            let mut command = place.command(&["demo", "--no-tui", "--json", "--duration", "120s"]);
            if is_saved {
                command.args(["--record", text(&saved)]);
            }
            let mut demo = Running::start(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
            place.wait_until_past(&demo, 200);
            let path = place.loops()[0]["ring"].as_str().expect("it has one").to_owned();
            fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(bytes).unwrap();
            let mut stderr = BufReader::new(demo.stderr()).lines();
            let line = stderr.next().expect("it reports the truncation at once").unwrap();
            assert!(line.contains("recording is off") && line.contains(&path), "{what}: {line}");
            demo.signal("INT");
            let mut stdout = demo.stdout();
            let report: serde_json::Value = serde_json::from_reader(&mut stdout).expect("it has a summary");
            // The demo continued, and ended when interrupted.
            assert_eq!(demo.wait().code(), Some(if is_saved { 3 } else { 0 }), "{what}");
            assert_eq!(
                stderr.count(),
                usize::from(is_saved),
                "{what}: the first line, and one more if the file is incomplete"
            );
            expect_open(&report, &what);
            if is_saved {
                let output = place.run(&["report", text(&saved), "--gate", text(&gates), "--json"]);
                let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it is read");
                expect_open(&report, &what);
                for gate in report["gates"].as_array().unwrap() {
                    let is_lost = gate["metric"] == "lost" && gate["outcome"] == "failed";
                    let is_stall = gate["metric"] == "stalls" && report["ticks"]["stalls"].as_u64() > Some(0);
                    let is_open = gate["outcome"] == "undecided" || is_lost || is_stall;
                    assert!(is_open, "{what}: {gate}");
                }
            }
        }
    }
}

#[test]
fn a_ring_of_which_nothing_can_be_read_replaces_no_recording() {
    let place = Place::new();
    let demo = Running::start(&mut place.command(&["demo", "--no-tui", "--duration", "120s"]));
    // The process is listed before its ring has a loop.
    place.wait_until_past(&demo, 0);
    let path = place.loops()[0]["ring"].as_str().expect("it has one").to_owned();
    let (ring, output) = (place.file("damaged.ring"), place.file("kept.looptrace"));
    let mut bytes = fs::read(&path).unwrap();
    drop(demo);
    // Cut before the first ring.
    bytes.truncate(0x5800);
    fs::write(&ring, &bytes).unwrap();
    fs::write(&output, "what was there").unwrap();
    let stderr = place.fail(3, &["record", text(&ring), "-o", text(&output)]);
    assert!(stderr.contains("damaged"), "{stderr}");
    assert_eq!(fs::read(&output).unwrap(), b"what was there");
}

/// The ring file that a killed demo left, and its bytes.
fn ring_of_killed_demo(place: &Place) -> (PathBuf, Vec<u8>) {
    let mut demo = place.demo(&[]);
    place.wait_until_past(&demo, 200);
    let path = PathBuf::from(place.loops()[0]["ring"].as_str().expect("it has one"));
    demo.kill();
    let bytes = fs::read(&path).expect("it is left");
    (path, bytes)
}

/// Nothing tells whether its process went on, ended or crashed.
#[test]
fn a_copy_of_a_ring_is_a_recording_that_was_cut_off() {
    let place = Place::new();
    let mut demo = place.demo(&[]);
    place.wait_until_past(&demo, 200);
    let ring = PathBuf::from(place.loops()[0]["ring"].as_str().expect("it has one"));
    let (copy, saved, gates) = (place.file("a.ring"), place.file("a.looptrace"), place.file("gates.toml"));
    fs::write(&gates, "[[gate]]\nmetric = \"ticks.count\"\nmax = 1000000000\n").unwrap();
    let expect_unclosed = |when: &str| {
        fs::copy(&ring, &copy).unwrap();
        let _older = fs::remove_file(&saved);
        place.succeed(&["record", text(&copy), "-o", text(&saved)]);
        for input in [&copy, &saved] {
            let report = place.json(&["report", text(input), "--gate", text(&gates), "--json"]);
            let what = format!("{when}, {}", input.display());
            assert_eq!(report["source"]["state"], "unclosed", "{what}");
            assert!(report["ticks"]["count"].as_u64() > Some(0), "{what}");
            assert_eq!(report["gates"][0]["outcome"], "undecided", "{what}");
        }
        let page = place.succeed(&["report", text(&copy)]);
        assert!(page.contains("is a copy") && !page.contains("crashed"), "{page}");
    };
    expect_unclosed("while it runs");
    demo.kill();
    expect_unclosed("after it was killed");
    let original = place.json(&["report", text(&ring), "--json"]);
    assert_eq!(original["source"]["state"], "crashed");
}

/// One damaged word or stretch in the ring of a killed demo leaves every gate undecided that it could overturn, both in
/// the ring and in its recording.
#[test]
fn damage_to_the_ring_of_a_killed_program_leaves_its_gates_undecided() {
    let place = Place::new();
    // Damaged where it lies: a copy proves no crash.
    let (ring, whole) = ring_of_killed_demo(&place);
    let (saved, gates) = (place.file("a.looptrace"), place.file("gates.toml"));
    fs::write(&gates, "[[gate]]\nmetric = \"timer_lag.max\"\nmax = \"1000s\"\n").unwrap();
    let word = |bytes: &[u8], at: usize| u64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap());
    let put =
        |bytes: &mut [u8], at: usize, value: u64| bytes[at..at + 8].copy_from_slice(&value.to_ne_bytes());
    // In the first place of the table: the offset of the ring, and the time of the now-running cell. In the header: the
    // monotonic clock of the first and of the latest anchor.
    let (slots_at, cell_at, anchors) = (0x1008, 0x1048, [0x88, 0xd0]);
    let slot = |bytes: &[u8], slot: usize| word(bytes, slots_at) as usize + slot * 32;
    type Damage<'a> = (&'a str, &'a dyn Fn(&mut [u8]), &'a str);
    // Each with the reason for the undecided gate, apart from timers that may have become late after the kill.
    let damages: [Damage<'_>; 7] = [
        ("nothing", &|_| {}, ""),
        (
            "a hole",
            &|bytes| (50..90).for_each(|at| put(bytes, slot(bytes, at) + 8, 0)),
            "40 lost records and ",
        ),
        ("a time", &|bytes| put(bytes, slot(bytes, 50), u64::MAX), "1 event with impossible values and "),
        ("a now-running cell", &|bytes| put(bytes, cell_at, u64::MAX), "1 event with impossible values and "),
        ("a ring's offset", &|bytes| put(bytes, slots_at, 1), "nothing was measured"),
        // The loop is in the middle of a tick.
        ("the mark of its end", &|bytes| put(bytes, 16, 2), "1 gap with an unknown number of records and "),
        (
            "two anchors",
            &|bytes| {
                put(bytes, anchors[0], word(bytes, anchors[0]) + 1_000_000_000);
                put(bytes, anchors[1], word(bytes, anchors[1]) + 7_000_000_000);
            },
            "clock readings that contradict each other and ",
        ),
    ];
    for (what, damage, expected) in damages {
        let mut bytes = whole.clone();
        damage(&mut bytes);
        fs::write(&ring, &bytes).unwrap();
        let _older = fs::remove_file(&saved);
        place.succeed(&["record", text(&ring), "-o", text(&saved)]);
        let measured = expected != "nothing was measured";
        for input in [&ring, &saved] {
            let report = place.json(&["report", text(input), "--gate", text(&gates), "--json"]);
            let gate = &report["gates"][0];
            assert_eq!(gate["outcome"], "undecided", "{what} in {}: {gate}", input.display());
            let died = if measured { "what has not ended could overturn it" } else { "" };
            assert_eq!(gate["why"], format!("{expected}{died}"), "{what} in {}", input.display());
        }
    }
}

/// A file that was cut, or lacks pages that were never written to the disk, yields the rest, and leaves every gate
/// undecided that the missing part could overturn.
#[test]
fn the_newest_records_that_a_file_lacks_leave_its_gates_undecided() {
    let place = Place::new();
    // Damaged where it lies: a copy proves no crash.
    let (ring, whole) = ring_of_killed_demo(&place);
    let (saved, gates) = (place.file("a.looptrace"), place.file("gates.toml"));
    let word = |at: usize| u64::from_ne_bytes(whole[at..at + 8].try_into().unwrap()) as usize;
    let (slots_at, slots) = (word(0x1008), word(0x1010));
    // The ring is in its first lap, so unused slots are zero.
    let used = (0..slots).take_while(|slot| word(slots_at + slot * 32 + 8) != 0).count();
    let middle = slots_at + used / 2 * 32;
    let zeroed = |from: usize, to: usize| {
        let mut bytes = whole.clone();
        bytes[from..to].fill(0);
        bytes
    };
    let ticks = |report: &serde_json::Value| report["ticks"]["count"].as_u64().unwrap();
    fs::write(&ring, &whole).unwrap();
    let of_whole = place.json(&["report", text(&ring), "--json"]);
    // The limit is the number of stalls on this machine, so the gate cannot fail.
    let stalls = of_whole["ticks"]["stalls"].to_string();
    let limits = [("lost", "0"), ("stalls", &stalls), ("ticks.run.max", "\"1000s\"")];
    let limits = limits.map(|(metric, max)| format!("[[gate]]\nmetric = \"{metric}\"\nmax = {max}\n"));
    fs::write(&gates, limits.concat()).unwrap();
    for (what, bytes, reads_ticks) in [
        ("its newest records are zero", zeroed(middle, slots_at + slots * 32), true),
        ("all records are zero", zeroed(slots_at, slots_at + slots * 32), false),
        ("its table is zero", zeroed(0x1000, 0x5000), false),
        ("it was cut in the loop's ring", whole[..middle + 5].to_vec(), true),
        ("it was cut before the loop's ring", whole[..slots_at].to_vec(), false),
        ("its last byte is missing", whole[..whole.len() - 1].to_vec(), true),
    ] {
        fs::write(&ring, &bytes).unwrap();
        let _older = fs::remove_file(&saved);
        place.succeed(&["record", text(&ring), "-o", text(&saved)]);
        for input in [&ring, &saved] {
            let output = place.run(&["report", text(input), "--gate", text(&gates), "--json"]);
            let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it is read");
            assert!(report["uncounted_gaps"].as_u64() > Some(0), "{what}: {}", report["uncounted_gaps"]);
            assert!(report["lost_records_bounds"][1].is_null(), "{what}: {}", report["lost_records_bounds"]);
            for gate in report["gates"].as_array().unwrap() {
                let is_lost = gate["metric"] == "lost" && gate["outcome"] == "failed";
                let is_open = gate["outcome"] == "undecided" || is_lost;
                assert!(is_open, "{what} in {}: {gate}", input.display());
            }
            assert!(ticks(&report) <= ticks(&of_whole) && (ticks(&report) > 0) == reads_ticks, "{what}");
        }
        let attached = place.json(&["attach", text(&ring), "--no-tui", "--json", "--duration", "1s"]);
        assert!(attached["uncounted_gaps"].as_u64() > Some(0), "{what}, attached");
    }
}

#[test]
fn a_limit_on_file_sizes_costs_the_ring_and_not_the_demo() {
    let place = Place::new();
    for (kilobytes, expected) in [("1000", "has no room"), ("350", "cannot attach")] {
        let demo = place.command(&["demo", "--no-tui", "--json", "--duration", "300ms"]);
        let mut limited = Command::new("bash");
        let script = "ulimit -f \"$1\"; shift; exec \"$@\"";
        limited.args(["-c", script, "limited", kilobytes]).arg(demo.get_program()).args(demo.get_args());
        let output = limited.envs(place.environment()).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{}: {stderr}", output.status);
        assert!(
            stderr.lines().count() == 1 && stderr.contains(expected) && stderr.contains("ulimit -f"),
            "{stderr}"
        );
        let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(summary["ticks"]["count"].as_u64() > Some(0), "the process itself sees its rings");
    }
}

#[test]
fn files_that_are_no_traces_are_refused() {
    let place = Place::new();
    let mut noise = fastrand::Rng::with_seed(5);
    let contents = [
        ("empty", Vec::new()),
        ("random", std::iter::repeat_with(|| noise.u8(..)).take(100_000).collect()),
        ("zeros", vec![0; 5000]),
        ("text", b"{\"traceEvents\":[]}\n".to_vec()),
        (
            "ring",
            [b"LOOPRING".to_vec(), std::iter::repeat_with(|| noise.u8(..)).take(50_000).collect()].concat(),
        ),
    ];
    for (name, bytes) in contents {
        let path = place.file(name);
        fs::write(&path, bytes).unwrap();
        let stderr = place.fail(3, &["report", text(&path)]);
        assert!(stderr.contains(name), "the line names the file: {stderr}");
        place.fail(3, &["export", text(&path), "-o", "/dev/null"]);
        place.fail(3, &["replay", text(&path), "--no-tui"]);
    }
    place.fail(3, &["report", text(&place.rings().join("..").join("."))]);
}

#[test]
fn a_flipped_bit_changes_no_number_silently() {
    let place = Place::new();
    let whole = recorded(&place, "2s");
    let path = place.file("flipped.looptrace");
    fs::write(&path, &whole).unwrap();
    let expected = place.succeed(&["report", text(&path)]);
    for at in (0..whole.len()).step_by(whole.len() / 25 + 3) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        fs::write(&path, bytes).unwrap();
        let output = place.run(&["report", text(&path)]);
        assert!(matches!(output.status.code(), Some(0 | 3)), "byte {at}: {:?}", output.status);
        // Damage to the index is harmless, because it repeats the block headers.
        let same = String::from_utf8_lossy(&output.stdout) == expected;
        assert!(same || !output.stderr.is_empty(), "a flipped bit at byte {at} went unnoticed");
    }
}

#[test]
fn missing_records_at_either_end_count_as_lost() {
    let place = Place::new();
    // A check begins at a snapshot, taken every two seconds, so one must follow the loss.
    let whole = recorded(&place, "5s");
    let path = place.file("part.looptrace");
    let mut flipped = whole.clone();
    flipped[2000] ^= 0x10;
    for (what, bytes) in [("flipped", &flipped[..]), ("cut", &whole[..whole.len() / 2])] {
        fs::write(&path, bytes).unwrap();
        let summary: serde_json::Value =
            serde_json::from_str(&place.succeed(&["report", text(&path), "--json"])).unwrap();
        // The number of missing records is unknown if the cut is within the header of a block.
        let bounds = &summary["lost_records_bounds"];
        let is_unknown = bounds.is_object() && bounds["hi"].is_null();
        let lost = &summary["lost_records"];
        assert!(lost.as_u64() > Some(0) || is_unknown, "{what}: {lost}, {bounds}");
        let report = place.succeed(&["report", text(&path)]);
        assert!(!report.contains("no stall") || report.contains("no stall seen"), "{what}: {report}");
        // The part that is readable can be checked.
        place.succeed(&["rerun", text(&path), "--check"]);
    }
}

#[test]
fn a_full_disk_keeps_what_was_written() {
    let place = Place::new();
    let stderr = place.fail(3, &["demo", "--duration", "1s", "--no-tui", "--record", "/dev/full"]);
    assert!(stderr.contains("/dev/full"), "{stderr}");
    let stderr =
        place.fail(3, &["demo", "--duration", "1s", "--no-tui", "--record", "/no/such/folder/a.looptrace"]);
    assert!(stderr.contains("/no/such/folder"), "{stderr}");

    let trace = place.file("a.looptrace");
    place.succeed(&["demo", "--duration", "1s", "--no-tui", "--record", text(&trace)]);
    let stderr = place.fail(3, &["export", text(&trace), "-o", "/dev/full"]);
    assert!(stderr.contains("/dev/full"), "{stderr}");
}
