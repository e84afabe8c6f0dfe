//! The functions of the grammar: casts, and what makes a sweep.

use regex::Regex;

use super::Syntax;
use super::values::{Element, Parsed};
use crate::config::value::Value;

/// More values than any sweep has; keeps a slip in `range` from filling the memory.
const MAX_VALUES: usize = 10_000;

/// What a function is called with.
#[derive(Default)]
pub(super) struct Arguments {
    pub(super) positional: Vec<Parsed>,
    pub(super) named: Vec<(String, Parsed)>,
}

/// `range(start, stop, step)`.
#[derive(Clone, Debug)]
pub(in crate::config) struct Range {
    start: Value,
    stop: Value,
    step: Value,
}

/// `glob(include, exclude)`: the options of a group whose names match.
#[derive(Clone, Debug)]
pub(in crate::config) struct Glob {
    include: Vec<String>,
    exclude: Vec<String>,
}

/// Evaluates `name(arguments)`.
pub(super) fn call(name: &str, mut arguments: Arguments) -> Result<Parsed, Syntax> {
    let cast = match name {
        "int" => to_int,
        "float" => to_float,
        "str" => to_str,
        "bool" => to_bool,
        "choice" => return choice(arguments),
        "range" => return range(arguments),
        "sort" => return sort(arguments),
        "glob" => return glob(arguments),
        "tag" => return tag(arguments),
        "shuffle" => {
            return Err(Syntax::new("`shuffle`: no second run would have the same order")
                .advise("write the values in the order that you want"));
        }
        "interval" => {
            return Err(Syntax::new("`interval` has no values to run with")
                .advise("write the values, as `a,b,c`, or `range(start,stop,step)`"));
        }
        _ => {
            return Err(Syntax::new(format!("no function `{name}`")).advise(
                "there are int, float, str, bool, sort, choice, range, glob and tag; quote text with `(`",
            ));
        }
    };
    let value = arguments.take("value");
    arguments.nothing_named()?;
    match (arguments.positional.len(), value) {
        (0, Some(value)) => cast_all(value, cast, name),
        (1, None) => cast_all(arguments.positional.remove(0), cast, name),
        (0, None) => Err(Syntax::new(format!("`{name}()` has no value"))),
        (_, None) => {
            let elements = arguments.elements()?;
            cast_all(Parsed::Choice { elements, is_simple: true }, cast, name)
        }
        (_, Some(_)) => Err(Syntax::new(format!("`{name}` has a value with and one without a name"))),
    }
}

impl Arguments {
    fn take(&mut self, name: &str) -> Option<Parsed> {
        let place = self.named.iter().position(|(it, _)| it == name)?;
        Some(self.named.remove(place).1)
    }

    fn nothing_named(&self) -> Result<(), Syntax> {
        match self.named.first() {
            None => Ok(()),
            Some((name, _)) => Err(Syntax::new(format!("no argument `{name}`, or given twice"))),
        }
    }

    /// All that have no name, each a single value.
    fn elements(&mut self) -> Result<Vec<Element>, Syntax> {
        let single = |parsed| match parsed {
            Parsed::One(element) => Ok(element),
            _ => Err(Syntax::new("a sweep inside of a sweep")),
        };
        self.positional.drain(..).map(single).collect()
    }

    /// The values of parameters, by place or by name.
    fn bind<const N: usize>(mut self, names: [&str; N]) -> Result<[Option<Parsed>; N], Syntax> {
        if self.positional.len() > N {
            return Err(Syntax::new("an argument too many"));
        }
        let mut bound: [Option<Parsed>; N] = std::array::from_fn(|_| None);
        for (place, value) in std::mem::take(&mut self.positional).into_iter().enumerate() {
            bound[place] = Some(value);
        }
        for (place, name) in names.into_iter().enumerate() {
            if bound[place].is_none() {
                bound[place] = self.take(name);
            }
        }
        self.nothing_named()?;
        Ok(bound)
    }
}

fn cast_all(parsed: Parsed, cast: fn(&Value) -> Result<Value, String>, name: &str) -> Result<Parsed, Syntax> {
    let each = |value: &Value| {
        cast_value(value, cast).map_err(|found| {
            Syntax::new(format!("`{name}` cannot convert {found}")).advise("quote text that contains `(`")
        })
    };
    Ok(match parsed {
        Parsed::One(element) => Parsed::value(each(&element.value)?),
        Parsed::Choice { elements, is_simple } => {
            let cast = |element: &Element| {
                each(&element.value).map(|value| Element { text: value.to_string(), value })
            };
            Parsed::Choice { elements: elements.iter().map(cast).collect::<Result<_, _>>()?, is_simple }
        }
        Parsed::Range(Range { start, stop, step }) if matches!(name, "int" | "float") => {
            Parsed::Range(Range { start: each(&start)?, stop: each(&stop)?, step: each(&step)? })
        }
        Parsed::Range(_) | Parsed::Glob(_) => {
            return Err(Syntax::new(format!("`{name}` cannot convert this sweep")));
        }
    })
}

/// Casts what a value holds; the error describes what could not be.
fn cast_value(value: &Value, cast: fn(&Value) -> Result<Value, String>) -> Result<Value, String> {
    match value {
        Value::Null => Err("null".into()),
        Value::List(items) => {
            items.iter().map(|item| cast_value(item, cast)).collect::<Result<_, _>>().map(Value::List)
        }
        Value::Table(table) => {
            let entry = |(key, value): (&String, &Value)| Ok((key.clone(), cast_value(value, cast)?));
            table.iter().map(entry).collect::<Result<_, _>>().map(Value::Table)
        }
        scalar => cast(scalar),
    }
}

/// Python's `int`.
fn to_int(value: &Value) -> Result<Value, String> {
    let int = match value {
        Value::Bool(flag) => Some(i128::from(*flag)),
        Value::Int(int) => Some(*int),
        Value::Float(float) if float.is_finite() && float.abs() < 1e38 => Some(*float as i128),
        Value::String(text) => digits(text).and_then(|text| text.parse().ok()),
        _ => None,
    };
    int.map(Value::Int).ok_or_else(|| value.to_string())
}

/// Python's `float`.
fn to_float(value: &Value) -> Result<Value, String> {
    let float = match value {
        Value::Bool(flag) => Some(f64::from(u8::from(*flag))),
        Value::Int(int) => Some(*int as f64),
        Value::Float(float) => Some(*float),
        Value::String(text) => digits(text).and_then(|text| text.parse().ok()),
        _ => None,
    };
    float.map(Value::Float).ok_or_else(|| value.to_string())
}

/// The text of a number without the space around it and the underscores that Python allows between digits.
fn digits(text: &str) -> Option<String> {
    let text = text.trim();
    let bytes = text.as_bytes();
    let stands_between = |place: usize| {
        let digit = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
        digit(place.checked_sub(1)) && digit(Some(place + 1))
    };
    let is_sound = text.match_indices('_').all(|(place, _)| stands_between(place));
    is_sound.then(|| text.replace('_', ""))
}

fn to_str(value: &Value) -> Result<Value, String> {
    Ok(Value::String(match value {
        Value::Bool(flag) => flag.to_string(),
        other => other.python().ok_or_else(|| other.to_string())?,
    }))
}

fn to_bool(value: &Value) -> Result<Value, String> {
    match value {
        Value::Bool(flag) => Ok((*flag).into()),
        Value::Int(int) => Ok((*int != 0).into()),
        Value::Float(float) => Ok((*float != 0.0).into()),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Ok(true.into()),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Ok(false.into()),
        other => Err(other.to_string()),
    }
}

fn choice(mut arguments: Arguments) -> Result<Parsed, Syntax> {
    arguments.nothing_named()?;
    if arguments.positional.is_empty() {
        return Err(Syntax::new("`choice()` has no value"));
    }
    if let [Parsed::Choice { elements, is_simple: true }] = arguments.positional.as_slice() {
        return Ok(Parsed::Choice { elements: elements.clone(), is_simple: false });
    }
    Ok(Parsed::Choice { elements: arguments.elements()?, is_simple: false })
}

fn range(arguments: Arguments) -> Result<Parsed, Syntax> {
    let number = |parsed: Option<Parsed>| match parsed {
        None => Ok(None),
        Some(Parsed::One(Element { value: value @ (Value::Int(_) | Value::Float(_)), .. })) => {
            Ok(Some(value))
        }
        Some(_) => Err(range_error("an argument that is no number")),
    };
    let [start, stop, step] = arguments.bind(["start", "stop", "step"])?.map(number);
    let (Some(start), stop, step) = (start?, stop?, step?) else {
        return Err(range_error("no `start`"));
    };
    let (start, stop) = match stop {
        Some(stop) => (start, stop),
        None => (Value::Int(0), start),
    };
    let range = Range { start, stop, step: step.unwrap_or(Value::Int(1)) };
    range.count()?;
    Ok(Parsed::Range(range))
}

impl Range {
    fn bounds(&self) -> [f64; 3] {
        [&self.start, &self.stop, &self.step].map(|it| match it {
            Value::Int(int) => *int as f64,
            Value::Float(float) => *float,
            _ => f64::NAN,
        })
    }

    fn is_integer(&self) -> bool {
        [&self.start, &self.stop, &self.step].iter().all(|it| matches!(it, Value::Int(_)))
    }

    fn count(&self) -> Result<usize, Syntax> {
        let [start, stop, step] = self.bounds();
        let count = ((stop - start) / step).ceil();
        if step == 0.0 || !count.is_finite() {
            return Err(range_error("a step of 0, or a number that is not finite"));
        }
        if count < 1.0 || count > MAX_VALUES as f64 {
            return Err(range_error(&format!("{} values, expected 1 to {MAX_VALUES}", count.max(0.0))));
        }
        Ok(count as usize)
    }

    /// Its values in order.
    pub(in crate::config) fn values(&self) -> Result<Vec<Value>, Syntax> {
        let [start, _, step] = self.bounds();
        let at = |index: usize| {
            let value = start + index as f64 * step;
            if self.is_integer() {
                return Value::Int(value as i128);
            }
            // Twelve digits, so that ten steps of 0.1 do not end in 0.7000000000000001.
            Value::Float(format!("{value:.11e}").parse().unwrap_or(value))
        };
        Ok((0..self.count()?).map(at).collect())
    }

    fn sorted(self, reverse: bool) -> Result<Vec<Element>, Syntax> {
        let mut values = self.values()?;
        if (self.bounds()[2] > 0.0) == reverse {
            values.reverse();
        }
        Ok(values.into_iter().map(|value| Element { text: value.to_string(), value }).collect())
    }
}

fn range_error(reason: &str) -> Syntax {
    Syntax::new(format!("`range` has {reason}")).advise("write `range(stop)` or `range(start,stop,step)`")
}

fn sort(mut arguments: Arguments) -> Result<Parsed, Syntax> {
    let reverse = match arguments.take("reverse") {
        None => false,
        Some(Parsed::One(Element { value: Value::Bool(reverse), .. })) => reverse,
        Some(_) => return Err(Syntax::new("`reverse` of `sort` is neither true nor false")),
    };
    if let Some(named) = arguments.take("list").or_else(|| arguments.take("sweep")) {
        arguments.positional = vec![named];
    }
    arguments.nothing_named()?;
    let sorted = |mut elements: Vec<Element>| {
        sort_elements(&mut elements, reverse)?;
        Ok(Parsed::Choice { elements, is_simple: false })
    };
    if arguments.positional.len() > 1 {
        return sorted(arguments.elements()?);
    }
    match arguments.positional.pop() {
        None => Err(Syntax::new("`sort()` has no value")),
        Some(Parsed::Choice { elements, .. }) => sorted(elements),
        Some(Parsed::Range(range)) => {
            Ok(Parsed::Choice { elements: range.sorted(reverse)?, is_simple: false })
        }
        Some(Parsed::Glob(_)) => Err(Syntax::new("`sort` of a `glob`: its names are in order")),
        Some(Parsed::One(Element { value: Value::List(items), .. })) => {
            let mut elements: Vec<Element> =
                items.into_iter().map(|value| Element { text: String::new(), value }).collect();
            sort_elements(&mut elements, reverse)?;
            Ok(Parsed::value(Value::List(elements.into_iter().map(|it| it.value).collect())))
        }
        Some(one) => Ok(one),
    }
}

/// Sorts numbers, or texts; equal ones stay in order.
fn sort_elements(elements: &mut [Element], reverse: bool) -> Result<(), Syntax> {
    let number = |value: &Value| match value {
        Value::Bool(flag) => Some(f64::from(u8::from(*flag))),
        Value::Int(int) => Some(*int as f64),
        Value::Float(float) => Some(*float),
        _ => None,
    };
    let are_numbers = elements.iter().all(|it| number(&it.value).is_some());
    let are_texts = elements.iter().all(|it| matches!(it.value, Value::String(_)));
    if !are_numbers && !are_texts {
        return Err(Syntax::new("`sort` of values that have no order").advise("sort numbers, or texts"));
    }
    let order = |a: &Element, b: &Element| match (&a.value, &b.value) {
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (a, b) => number(a).partial_cmp(&number(b)).unwrap_or(std::cmp::Ordering::Equal),
    };
    elements.sort_by(|a, b| if reverse { order(b, a) } else { order(a, b) });
    Ok(())
}

/// Tags mean nothing to a sweep over all values; what is tagged stays.
fn tag(mut arguments: Arguments) -> Result<Parsed, Syntax> {
    let sweep = arguments.take("sweep").or_else(|| arguments.positional.pop());
    arguments.nothing_named()?;
    let are_tags = arguments.elements()?.iter().all(|it| matches!(it.value, Value::String(_)));
    match sweep {
        Some(sweep) if are_tags && !matches!(sweep, Parsed::One(_)) => Ok(sweep),
        _ => Err(Syntax::new("`tag` takes names and then a sweep")),
    }
}

fn glob(arguments: Arguments) -> Result<Parsed, Syntax> {
    let texts = |parsed: Option<Parsed>| -> Result<Vec<String>, Syntax> {
        let text = |value: &Value| match value {
            Value::String(text) => Ok(text.clone()),
            _ => Err(Syntax::new("`glob` takes names, such as `glob(fast*)`")),
        };
        match parsed {
            None => Ok(Vec::new()),
            Some(Parsed::One(Element { value: Value::List(items), .. })) => items.iter().map(text).collect(),
            Some(Parsed::One(element)) => text(&element.value).map(|it| vec![it]),
            Some(_) => Err(Syntax::new("a sweep inside of `glob`")),
        }
    };
    let [include, exclude] = arguments.bind(["include", "exclude"])?;
    if include.is_none() {
        return Err(Syntax::new("`glob()` has no pattern"));
    }
    Ok(Parsed::Glob(Glob { include: texts(include)?, exclude: texts(exclude)? }))
}

impl Glob {
    /// Whether a name is meant.
    pub(in crate::config) fn matches(&self, name: &str) -> bool {
        let any = |patterns: &[String]| patterns.iter().any(|pattern| wildcard(pattern).is_match(name));
        any(&self.include) && !any(&self.exclude)
    }
}

/// Python's `fnmatch`: `*`, `?`, `[abc]`, `[!abc]`.
fn wildcard(pattern: &str) -> Regex {
    let mut regex = String::from("(?s)^");
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        match c {
            '*' => regex.push_str(".*"),
            '?' => regex.push('.'),
            '[' => match rest.as_str().find(']').filter(|end| *end > 0) {
                None => regex.push_str(r"\["),
                Some(end) => {
                    let set = &rest.as_str()[..end];
                    let (not, set) = set.strip_prefix('!').map_or(("", set), |set| ("^", set));
                    let set =
                        set.replace('\\', r"\\").replace('[', r"\[").replace('^', r"\^").replace('&', r"\&");
                    regex.extend(["[", not, &set, "]"]);
                    rest = rest.as_str()[end + 1..].chars();
                }
            },
            c => regex.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
        }
    }
    regex.push('$');
    // A set that is none, such as `[z-a]`, matches nothing.
    Regex::new(&regex).unwrap_or_else(|_| Regex::new(r"[^\s\S]").expect("a constant pattern"))
}
