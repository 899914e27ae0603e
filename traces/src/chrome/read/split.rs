//! Finds the end of a JSON value without parsing it, by tracking only strings and brackets.

/// Takes the text of one value, piece by piece.
#[derive(Debug, Default)]
pub(super) struct Splitter {
    depth: u32,
    depth_max: u32,
    in_string: bool,
    escaped: bool,
    is_plain: bool,
}

impl Splitter {
    /// Takes the next piece; returns how many of its bytes belong to the value, and whether the value ends there.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> (usize, bool) {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            if self.in_string {
                if self.escaped {
                    self.escaped = false;
                    at += 1;
                    continue;
                }
                let Some(found) = memchr::memchr2(b'"', b'\\', &bytes[at..]) else {
                    return (bytes.len(), false);
                };
                at += found + 1;
                if bytes[at - 1] == b'\\' {
                    self.escaped = true;
                    continue;
                }
                self.in_string = false;
                if self.depth == 0 {
                    return (at, true);
                }
                continue;
            }
            match byte {
                b'"' if !self.is_plain => self.in_string = true,
                b'{' | b'[' if !self.is_plain => {
                    self.depth = self.depth.saturating_add(1);
                    self.depth_max = self.depth_max.max(self.depth);
                }
                b'}' | b']' if self.depth > 0 => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return (at + 1, true);
                    }
                }
                _ if self.depth > 0 => {}
                // A number or a word: it ends before the first byte that cannot belong to it.
                b',' | b'}' | b']' | b':' | b'"' | b'{' | b'[' | b' ' | b'\t' | b'\r' | b'\n' => {
                    return (at, true);
                }
                _ => self.is_plain = true,
            }
            at += 1;
        }
        (at, false)
    }

    /// Whether the end of the input ends the value: true of a number.
    pub(super) const fn ends_with_input(&self) -> bool {
        self.is_plain
    }

    /// How deep its brackets nest.
    pub(super) const fn depth_max(&self) -> u32 {
        self.depth_max
    }
}
