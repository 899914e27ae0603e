//! The macro that turns the list of kinds into the enum and its codec, so that neither can omit a field.

/// Why the words of a record do not decode to an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// A newer writer's event: readers skip and count it.
    #[error("unknown event kind {0}")]
    UnknownKind(u8),
    /// A value that this event cannot have.
    #[error("event {kind} has a value out of range")]
    OutOfRange {
        /// The kind's name.
        kind: &'static str,
    },
}

macro_rules! vocabulary {
    ($($(#[$doc:meta])* $code:literal $kind:ident = $text:literal {
        $($(#[$fdoc:meta])* $field:ident: $type:ty,)* ; $($(#[$tdoc:meta])* $time:ident),* $(,)?
    })+) => {
        /// What happened. See the [module](self) for the time domain `T`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Event<T = Timestamp> {
            $($(#[$doc])* $kind { $($(#[$fdoc])* $field: $type,)* $($(#[$tdoc])* $time: T,)* },)+
        }

        impl<T: Time> Event<T> {
            /// Every kind's wire code and name, in code order.
            pub const KINDS: &'static [(u8, &'static str)] = &[$(($code, $text)),+];

            /// The highest wire code: kinds are numbered from 1 without gaps.
            pub const KIND_MAX: u8 = {
                let count = Self::KINDS.len();
                let (last, _) = Self::KINDS[count - 1];
                assert!(last as usize == count, "a kind is missing from the list, or out of order");
                last
            };

            /// The kind's wire code.
            #[inline(always)]
            #[must_use]
            pub const fn code(&self) -> u8 {
                match self { $(Self::$kind { .. } => $code,)+ }
            }

            /// The kind's name.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self { $(Self::$kind { .. } => $text,)+ }
            }

            /// The event as words, its times relative to `at`, the record's own time.
            #[inline(always)]
            #[must_use]
            pub fn to_fields(self, at: T) -> Fields {
                let _ = at;
                let mut out = Fields::default();
                match self {
                    $(Self::$kind { $($field,)* $($time,)* } => {
                        $(Field::put($field, &mut out);)*
                        $(out.push_time(at, $time);)*
                    })+
                }
                out
            }

            /// The event of this kind with these words, in a record of time `at`.
            ///
            /// # Errors
            ///
            /// [`DecodeError`] where the kind is unknown or a value is out of range.
            #[expect(clippy::redundant_closure_call, reason = "only an event without fields has nothing that can fail")]
            pub fn from_fields(code: u8, at: T, fields: &Fields) -> Result<Self, DecodeError> {
                let mut from = Reading::new(fields);
                let event = match code {
                    $($code => (|| Some(Self::$kind {
                        $($field: Field::take(&mut from)?,)*
                        $($time: from.time(at),)*
                    }))().ok_or(DecodeError::OutOfRange { kind: $text })?,)+
                    _ => return Err(DecodeError::UnknownKind(code)),
                };
                Ok(event)
            }

            /// The same event in another time domain.
            pub fn map_time<U>(self, mut map: impl FnMut(T) -> U) -> Event<U> {
                let _ = &mut map;
                match self {
                    $(Self::$kind { $($field,)* $($time,)* } => Event::$kind { $($field,)* $($time: map($time),)* },)+
                }
            }
        }

        impl Event {
            /// Passes each field and its name to `visit`; the times at which the event's extent begins come
            /// last.
            #[inline]
            pub fn each_field(self, mut visit: impl FnMut(&'static str, FieldValue)) {
                match self {
                    $(Self::$kind { $($field,)* $($time,)* } => {
                        $(visit(stringify!($field), $field.into());)*
                        $(visit(stringify!($time), $time.into());)*
                    })+
                }
            }
        }
    };
}
