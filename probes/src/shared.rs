//! The file that a recording process shares: its location, its layout, and its creation.
//!
//! All numbers are native-endian 64-bit words. Offsets are in bytes; parts begin on page boundaries.
//!
//! | offset | content |
//! |---|---|
//! | 0 | magic, `LOOPRING` |
//! | 8 | layout version: major in the upper 32 bits, minor in the lower |
//! | 16 | state: 1 recording, 2 ended cleanly |
//! | 24 | end of the fixed part; rings come after it |
//! | 32 | process id, as the process sees itself |
//! | 40 | inode of its pid namespace |
//! | 48 | its start time, field 22 of `/proc/PID/stat`, in clock ticks since boot |
//! | 56, 64 | boot id |
//! | 72 | tick unit: 0 monotonic nanoseconds, 1 TSC cycles |
//! | 80 | places in the table of rings |
//! | 88 | offset of the table of rings |
//! | 96, 104 | offset and length of the [metadata](crate::metadata), JSON |
//! | 112, 120 | offset of the label table, places in it |
//! | 128–151 | first anchor: ticks, monotonic, wall |
//! | 152–175 | second anchor, taken a moment later |
//! | 192 | latest anchor: stamp (0 while it is written), ticks, monotonic, wall |
//! | 256 | labels used |
//! | 264 | labels that found no place |
//! | 272 | recorders that found no place for their ring |
//! | 280 | number of changes of the table of rings, so that a reader knows when to reread it |
//! | 288 | inode of its time namespace, 0 if there is none to see |
//! | 296 | last note that the process exists: per drain of its rings, per 50 ms if it watches suspensions; else 0 |
//! | 304 | the highest code of an event kind that the process knows |
//! | 312, 320, 328 | device, inode and time of creation (ns since 1970) of this file |
//! | 336 | when the session ended, in ticks, 0 before |
//! | 344–415 | the words at 32, 40, 48, 56, 64, 288, 312, 320 and 328 again: where the two differ, neither is believed |
//!
//! A place in the table of rings takes 256 bytes:
//!
//! | offset | content |
//! |---|---|
//! | 0 | generation in the upper 32 bits; 0 free or changing, 1 open, 2 closed in the lower |
//! | 8, 16 | offset of its slots, how many |
//! | 24 | thread id of its emitter |
//! | 32 | records that overwrote something a lossless reader had not drained |
//! | 40 | records written: all once it is closed, at least that many before |
//! | 48, 56 | number of its emitter, sequence number of that emitter's first record |
//! | 64 | *now running*: stamp `version:u32, kind:u8, 0:u8, tag:u16` (0 while it is written), since when, detail, records written before |
//! | 128 | name: length byte and text, ten words |
//!
//! A label takes 96 bytes: `kind << 32 | id`, then length byte and text, ten words, one word unused. Slots are
//! [records](crate::record), with the number of their place, counted from 1, XORed into the upper 12 bits of the time.
//!
//! A lock (`flock`) on the file, held by the process, shows that it is still running.
//!
//! Readers refuse a layout of another major version: rings are not kept, so each version reads its own.

pub(crate) mod create;
pub(crate) mod folder;
pub(crate) mod header;
pub(crate) mod identity;
pub(crate) mod layout;
pub(crate) mod original;

/// The layout this version writes, and the only one it reads.
pub const LAYOUT_MAJOR: u32 = 3;

/// Additions that older readers may ignore.
pub const LAYOUT_MINOR: u32 = 0;
