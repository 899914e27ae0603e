//! LEB128 integers and zigzag differences.

/// Appends `value`, seven bits a byte, lowest first.
#[inline]
pub fn put(out: &mut Vec<u8>, mut value: u64) {
    // Two bytes in one step: few recorded values need more.
    if (0x80..0x4000).contains(&value) {
        out.extend_from_slice(&[value as u8 | 0x80, (value >> 7) as u8]);
        return;
    }
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Bytes that [`put`] appends.
#[inline]
pub const fn len(value: u64) -> usize {
    // 64 − leading zeros bits in groups of seven; zero takes a byte too.
    ((70 - (value | 1).leading_zeros()) / 7) as usize
}

/// Takes the integer at the front of `bytes`. `None` if it is cut off or longer than 64 bits.
#[inline]
pub fn take(bytes: &mut &[u8]) -> Option<u64> {
    // Most values are small.
    if let [byte @ 0..0x80, rest @ ..] = *bytes {
        *bytes = rest;
        return Some(u64::from(*byte));
    }
    take_long(bytes)
}

fn take_long(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return None;
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// The wrapping difference `next - last`, zigzag-coded so that small negative values stay small.
#[inline]
pub const fn delta(last: u64, next: u64) -> u64 {
    let difference = next.wrapping_sub(last).cast_signed();
    (difference << 1 ^ difference >> 63).cast_unsigned()
}

/// The value that follows `last` by this [`delta`].
#[inline]
pub const fn follow(last: u64, delta: u64) -> u64 {
    last.wrapping_add(delta >> 1 ^ (delta & 1).wrapping_neg())
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUES: [u64; 11] =
        [0, 1, 127, 128, 16_383, 16_384, u32::MAX as u64, 1 << 56, (1 << 63) - 1, 1 << 63, u64::MAX];

    #[test]
    fn every_width_survives() {
        for value in VALUES {
            let mut out = Vec::new();
            put(&mut out, value);
            assert_eq!(out.len(), len(value), "{value}");
            let mut bytes = &out[..];
            assert_eq!((take(&mut bytes), bytes.len()), (Some(value), 0));
        }
    }

    #[test]
    fn every_difference_survives() {
        for last in VALUES {
            for next in VALUES {
                assert_eq!(follow(last, delta(last, next)), next);
            }
        }
        assert_eq!((delta(5, 4), delta(5, 6)), (1, 2));
    }

    #[test]
    fn truncated_and_overlong_integers_are_refused() {
        assert_eq!(take(&mut &[0x80, 0x80][..]), None);
        assert_eq!(take(&mut &[0xff; 11][..]), None);
        assert_eq!(take(&mut &[][..]), None);
    }
}
