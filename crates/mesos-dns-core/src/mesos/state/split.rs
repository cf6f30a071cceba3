//! Cuts a state document at the borders of its agents and tasks, while it arrives.
//!
//! The outer levels (the document, its lists, each framework) are walked here byte by byte; there are few of these
//! bytes. Every value inside them is handed to a [`Scan`], which finds its end fast, and is then copied into the
//! batch at hand, or kept because it is one of the few small members, or forgotten.
//!
//! Members are recognized in any order: the id of a framework may well follow its tasks. That is why an element
//! says only from which list it is, and the [`Outline`] says at the end what that list was.

use super::{
    super::scan::{DEPTH_MAX, Fault, Scan, Step},
    Limits, StateError,
    outline::Outline,
    shape::{Kind, Member, Place, Shape},
};

/// Bytes of elements that make a batch full: enough that handing it over costs nothing, little enough that the
/// batches under way at once stay a few mebibytes.
pub const BATCH_BYTES: usize = 256 << 10;

/// Characters of a foreign document that an error shows.
const BEGINS_CHARS_MAX: usize = 40;

/// Whole elements, ready to be decoded anywhere, in any order.
#[derive(Debug, Default)]
pub struct Batch {
    /// Counts the batches of a document from 0, in its order.
    pub(super) sequence: u64,
    pub(super) shape: Shape,
    bytes: Vec<u8>,
    elements: Vec<Element>,
}

/// One element of a batch; it begins where the one before ends.
#[derive(Clone, Copy, Debug)]
struct Element {
    list: u32,
    kind: Kind,
    /// Where it begins in the document.
    at: u64,
    end: usize,
}

impl Batch {
    /// The elements: number of their list, kind, where they begin in the document, bytes.
    pub(super) fn elements(&self) -> impl Iterator<Item = (u32, Kind, u64, &[u8])> {
        let mut begin = 0;
        self.elements.iter().map(move |element| {
            let bytes = self.bytes.get(begin..element.end).unwrap_or_default();
            begin = element.end;
            (element.list, element.kind, element.at, bytes)
        })
    }

    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.elements.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.elements.is_empty()
    }
}

//------------ Splitter ------------------------------------------------------

/// See the head of this file.
pub struct Splitter {
    limits: Limits,
    /// Bytes that were consumed.
    offset: u64,
    place: Place,
    /// What the place is in, the outermost first, and the members that led here.
    parents: Vec<(Place, Member)>,
    expect: Expect,
    /// The member whose value is next or under way.
    member: Member,
    value: Option<Value>,
    /// The value under way, as far as it is wanted outside of a batch.
    kept: Vec<u8>,
    batch: Batch,
    outline: Outline,
}

/// A value under way.
struct Value {
    scan: Scan,
    target: Target,
    /// Where it begins in the document.
    at: u64,
    /// Whether it outgrew [`Limits::element_bytes`].
    oversized: bool,
}

/// What becomes of a value.
#[derive(Clone, Copy)]
enum Target {
    Element(Kind),
    Member,
    Name,
    Nothing,
}

/// What the grammar allows next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expect {
    /// The first name or value, or the end of the object or list.
    FirstOrEnd,
    /// After a comma.
    Next,
    /// After a name.
    Colon,
    /// After a colon.
    Value,
    /// After a value.
    CommaOrEnd,
}

impl Splitter {
    /// Begins a document.
    pub fn new(limits: Limits) -> Self {
        Self::with_shape(Shape::State, limits)
    }

    /// Begins a text of another shape.
    pub fn with_shape(shape: Shape, limits: Limits) -> Self {
        Self {
            limits,
            offset: 0,
            place: Place::Start(shape),
            parents: Vec::new(),
            expect: Expect::FirstOrEnd,
            member: Member::Other,
            value: None,
            kept: Vec::new(),
            batch: Batch { shape, ..Batch::default() },
            outline: Outline::default(),
        }
    }

    /// Takes the next piece of the document from `piece`, of any size.
    ///
    /// Returns a batch as soon as one is full: call again until the piece is used up and there is none. After an
    /// error the document is lost.
    pub fn push(&mut self, piece: &mut &[u8]) -> Result<Option<Batch>, StateError> {
        let limit_bytes = self.limits.body_bytes;
        if self.offset.saturating_add(piece.len() as u64) > limit_bytes {
            return Err(StateError::TooLarge { limit_bytes });
        }
        while let Some((&byte, rest)) = piece.split_first() {
            match self.value.take() {
                Some(value) => self.go_on(value, piece)?,
                None if byte.is_ascii_whitespace() => self.consume(piece, rest),
                None if byte != b'{' && matches!(self.place, Place::Start(_)) => return Err(not_json(piece)),
                None => {
                    if self.structure(byte)? {
                        self.consume(piece, rest);
                    }
                }
            }
            if self.batch.bytes.len() >= BATCH_BYTES && self.value.is_none() {
                return Ok(Some(self.next_batch()));
            }
        }
        Ok(None)
    }

    /// Ends the document: what it said besides its lists, and the last batch, which may be empty.
    pub fn finish(mut self) -> Result<(Outline, Batch), StateError> {
        match self.place {
            Place::End => Ok((std::mem::take(&mut self.outline), self.next_batch())),
            Place::Start(_) => Err(StateError::Empty),
            _ => Err(StateError::Truncated { bytes: self.offset, place: self.whereabouts() }),
        }
    }

    fn consume<'a>(&mut self, piece: &mut &'a [u8], rest: &'a [u8]) {
        self.offset = self.offset.saturating_add(piece.len().saturating_sub(rest.len()) as u64);
        *piece = rest;
    }

    fn next_batch(&mut self) -> Batch {
        let (sequence, shape) = (self.batch.sequence.saturating_add(1), self.batch.shape);
        // Most elements are far smaller than this slack, so the buffer seldom grows.
        let bytes = Vec::with_capacity(BATCH_BYTES.saturating_add(BATCH_BYTES / 8));
        std::mem::replace(&mut self.batch, Batch { sequence, shape, bytes, elements: Vec::new() })
    }

    //--- Structure

    /// Handles one byte between values. `false` if it begins a value and is still to be consumed.
    fn structure(&mut self, byte: u8) -> Result<bool, StateError> {
        if let Place::Start(shape) = self.place {
            self.place = Place::top(shape);
            return Ok(true);
        }
        let in_object = self.place.is_object();
        match (self.expect, byte) {
            _ if self.place == Place::End => return Err(self.unexpected(byte, "the end")),
            (Expect::FirstOrEnd | Expect::CommaOrEnd, b'}') if in_object => self.leave()?,
            (Expect::FirstOrEnd | Expect::CommaOrEnd, b']') if !in_object => self.leave()?,
            (Expect::CommaOrEnd, b',') => self.expect = Expect::Next,
            (Expect::FirstOrEnd | Expect::Next, b'"') if in_object => {
                self.begin(byte, Target::Name)?;
                return Ok(false);
            }
            (Expect::Colon, b':') => self.expect = Expect::Value,
            (Expect::FirstOrEnd | Expect::Next | Expect::Value, _)
                if in_object == (self.expect == Expect::Value) =>
            {
                return self.begin_value(byte);
            }
            (Expect::CommaOrEnd, _) => return Err(self.unexpected(byte, "a comma or the end of it")),
            (Expect::Colon, _) => return Err(self.unexpected(byte, "a colon")),
            _ => return Err(self.unexpected(byte, "the name of a member")),
        }
        Ok(true)
    }

    /// Begins a value, or enters the list or object if it is one that we walk ourselves.
    fn begin_value(&mut self, byte: u8) -> Result<bool, StateError> {
        if let Some(inside) = self.place.inside(self.member, byte) {
            self.enter(inside);
            return Ok(true);
        }
        let target = match (self.place, self.member) {
            (Place::List(kind), _) => Target::Element(kind),
            (Place::Frameworks, _) => {
                self.outline.skip_framework(self.offset);
                Target::Nothing
            }
            (_, Member::Other) => Target::Nothing,
            _ => Target::Member,
        };
        self.begin(byte, target)?;
        Ok(false)
    }

    fn begin(&mut self, byte: u8, target: Target) -> Result<(), StateError> {
        let scan = Scan::new(byte).ok_or_else(|| self.unexpected(byte, "a value"))?;
        self.kept.clear();
        self.value = Some(Value { scan, target, at: self.offset, oversized: false });
        Ok(())
    }

    fn enter(&mut self, place: Place) {
        match place {
            Place::List(_) => self.outline.begin_list(self.place, self.member),
            Place::Frameworks => self.outline.begin_frameworks(),
            Place::Framework => self.outline.begin_framework(self.offset),
            _ => self.outline.begin_object(self.member),
        }
        self.parents.push((self.place, self.member));
        self.place = place;
        self.expect = Expect::FirstOrEnd;
        self.member = Member::Other;
    }

    fn leave(&mut self) -> Result<(), StateError> {
        self.place = self.parents.pop().map_or(Place::End, |(place, _)| place);
        self.expect = Expect::CommaOrEnd;
        if self.place == Place::Frameworks {
            self.outline.end_framework();
            let limit = self.limits.frameworks;
            if self.outline.document.frameworks.len() > limit {
                return Err(StateError::TooMany { what: "frameworks", limit });
            }
        }
        Ok(())
    }

    //--- Values

    /// Goes on with the value under way as far as `piece` reaches.
    fn go_on(&mut self, mut value: Value, piece: &mut &[u8]) -> Result<(), StateError> {
        let (length, ended) = match value.scan.advance(piece) {
            Step::More => (piece.len(), false),
            Step::End(length) => (length, true),
            Step::Broken(position, fault) => {
                self.offset = self.offset.saturating_add(position as u64);
                return Err(self.malformed(match fault {
                    Fault::Mismatched => "a bracket closes one of the other kind".to_owned(),
                    Fault::TooDeep => format!("more than {DEPTH_MAX} objects and lists are nested"),
                }));
            }
        };
        let (bytes, rest) = piece.split_at_checked(length).unwrap_or((piece, &[]));
        self.keep(&mut value, bytes);
        self.consume(piece, rest);
        match ended {
            true => self.end_value(&value),
            false => {
                self.value = Some(value);
                Ok(())
            }
        }
    }

    fn keep(&mut self, value: &mut Value, bytes: &[u8]) {
        let (buffer, begin) = match value.target {
            Target::Nothing => return,
            Target::Element(_) => {
                let begin = self.batch.elements.last().map_or(0, |element| element.end);
                (&mut self.batch.bytes, begin)
            }
            Target::Member | Target::Name => (&mut self.kept, 0),
        };
        let size = buffer.len().saturating_sub(begin).saturating_add(bytes.len());
        value.oversized |= size > self.limits.element_bytes;
        match value.oversized {
            true => buffer.truncate(begin),
            false => buffer.extend_from_slice(bytes),
        }
    }

    fn end_value(&mut self, value: &Value) -> Result<(), StateError> {
        self.expect = Expect::CommaOrEnd;
        // A value that was too large reads like one of the wrong type.
        let kept: &[u8] = if value.oversized { b"[]" } else { &self.kept };
        match value.target {
            Target::Nothing => Ok(()),
            Target::Element(kind) => self.end_element(kind, value.at, value.oversized),
            Target::Member => self.outline.set(self.place, self.member, kept).map_err(|wanted| {
                self.malformed(format!("{} is not {wanted}", self.member.name(self.place)))
            }),
            Target::Name => {
                self.expect = Expect::Colon;
                self.member = Member::named(kept, self.place);
                Ok(())
            }
        }
    }

    fn end_element(&mut self, kind: Kind, at: u64, oversized: bool) -> Result<(), StateError> {
        let count = self.outline.count(kind, oversized.then_some(at));
        let (what, limit) = match kind {
            Kind::Agent | Kind::RecoveredAgent => ("agents", self.limits.agents),
            Kind::Framework => ("frameworks", self.limits.frameworks),
            Kind::Task | Kind::UnreachableTask => ("tasks", self.limits.tasks),
        };
        if count > limit {
            return Err(StateError::TooMany { what, limit });
        }
        if !oversized {
            let list = self.outline.current_list();
            self.batch.elements.push(Element { list, kind, at, end: self.batch.bytes.len() });
        }
        Ok(())
    }

    //--- Errors

    fn unexpected(&self, byte: u8, wanted: &str) -> StateError {
        self.malformed(format!("{wanted} is expected, not \"{}\"", byte.escape_ascii()))
    }

    fn malformed(&self, reason: String) -> StateError {
        StateError::Malformed { at: self.offset, place: self.whereabouts(), reason }
    }

    /// The place in words.
    fn whereabouts(&self) -> String {
        let mut path = String::new();
        for (place, member) in &self.parents {
            match place {
                Place::Frameworks => path += &format!("[{}]", self.outline.document.frameworks.len()),
                _ if path.is_empty() => path += member.name(*place),
                _ => path += &format!(".{}", member.name(*place)),
            }
        }
        match (self.place, path.is_empty()) {
            (Place::End, _) => "what follows the outermost object".to_owned(),
            (_, true) => "the outermost object".to_owned(),
            (_, false) => path,
        }
    }
}

fn not_json(piece: &[u8]) -> StateError {
    let begins = String::from_utf8_lossy(piece).chars().take(BEGINS_CHARS_MAX).collect();
    StateError::NotJson { begins }
}
