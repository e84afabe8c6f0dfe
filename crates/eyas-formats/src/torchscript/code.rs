//! The text of TorchScript, as far as the way of an observation through it needs: straight lines of assignments.

use std::collections::HashMap;

/// One line of a method.
#[derive(Debug, PartialEq)]
pub(super) enum Statement {
    /// `NAME = self.ATTRIBUTE`, or by `getattr`.
    Attribute(String, String),
    /// `NAME, NAME, = EXPRESSION`.
    Assign(Vec<String>, Expression),
    /// `return EXPRESSION`.
    Return(Expression),
    /// What changes nothing on the way: a state that is stored, an annotation.
    Other,
}

/// What stands on the right.
#[derive(Debug, PartialEq)]
pub(super) enum Expression {
    /// A variable.
    Name(String),
    /// A call.
    Call(Call),
    /// Anything else: numbers, lists, tuples.
    Other(String),
}

/// `(TARGET).METHOD(ARGUMENTS, )`, or `torch.METHOD(ARGUMENTS)`.
#[derive(Debug, PartialEq)]
pub(super) struct Call {
    /// The variable of the module, or `None` for an operator.
    pub(super) target: Option<String>,
    /// The method, or the operator.
    pub(super) method: String,
    pub(super) arguments: Vec<Expression>,
}

impl Expression {
    /// Whether it is `None`.
    pub(super) fn is_none(&self) -> bool {
        matches!(self, Self::Name(name) if name == "None")
    }

    /// Whether a variable occurs in it.
    pub(super) fn mentions(&self, name: &str) -> bool {
        match self {
            Self::Name(own) => own == name,
            Self::Call(call) => call.arguments.iter().any(|argument| argument.mentions(name)),
            Self::Other(text) => mentions(text, name),
        }
    }
}

/// Whether a variable occurs in a text.
pub(super) fn mentions(text: &str, name: &str) -> bool {
    let is_part = |it: char| it.is_alphanumeric() || it == '_';
    text.split(|it: char| !is_part(it)).any(|word| word == name)
}

/// The text of a class: `code/` has a file for each module, in which classes follow one another.
pub(super) fn class_text<'a>(sources: &'a HashMap<String, String>, class: &str) -> Option<&'a str> {
    let (module, name) = class.rsplit_once('.')?;
    let text = sources.get(module)?;
    let head = format!("class {name}(Module):\n");
    let start = if text.starts_with(&head) { 0 } else { text.find(&format!("\n{head}"))? + 1 };
    let rest = &text[start..];
    let ends = ["\nclass ", "\ndef "].into_iter().filter_map(|next| rest.find(next)).min();
    Some(&rest[..ends.unwrap_or(rest.len())])
}

/// A method without its indentation, one statement a line.
pub(super) struct Method {
    /// The first parameter after `self`.
    pub(super) argument: String,
    pub(super) body: Vec<String>,
}

/// Finds a method in the text of a class.
pub(super) fn method(class: &str, name: &str) -> Option<Method> {
    let start = class.find(&format!("\n  def {name}(self: "))? + 1;
    let rest = &class[start..];
    let end = rest[1..].find("\n  def ").map_or(rest.len(), |at| at + 1);
    let mut lines = joined(&rest[..end]).into_iter();
    let head = lines.next()?;
    let parameters = head.split_once('(')?.1;
    let argument = parameters.split(',').nth(1)?.split_once(':')?.0.trim().to_owned();
    let body = lines.filter(|line| !line.trim().is_empty()).map(|line| unindented(&line)).collect();
    Some(Method { argument, body })
}

/// A line of a body without the indentation of bodies: deeper ones keep the rest.
fn unindented(line: &str) -> String {
    line.strip_prefix("    ").unwrap_or(line).trim_end().to_owned()
}

/// Lines, those within brackets as one.
fn joined(text: &str) -> Vec<String> {
    let (mut lines, mut depth) = (vec![String::new()], 0_i32);
    let mut is_quoted = false;
    for it in text.chars() {
        match it {
            '"' => is_quoted = !is_quoted,
            '(' | '[' | '{' if !is_quoted => depth += 1,
            ')' | ']' | '}' if !is_quoted => depth -= 1,
            _ => {}
        }
        match (it, depth > 0, lines.last_mut()) {
            ('\n', false, _) => lines.push(String::new()),
            ('\n', true, Some(line)) => line.push(' '),
            (it, _, Some(line)) => line.push(it),
            _ => {}
        }
    }
    lines
}

/// Reads one line of a body; the error says what policies have no use for.
pub(super) fn statement(line: &str) -> Result<Statement, String> {
    if line.starts_with(' ')
        || ["if ", "while ", "for ", "else:", "with "].iter().any(|it| line.starts_with(it))
    {
        return Err(format!("branches or repeats: `{}`", line.trim()));
    }
    if let Some(value) = line.strip_prefix("return ") {
        return Ok(Statement::Return(expression(value.trim())?));
    }
    let Some((left, right)) = line.split_once(" = ") else { return Ok(Statement::Other) };
    let right = right.trim();
    // `NAME : TYPE = VALUE`, and the state that `self.NAME = VALUE` keeps.
    let left = left.split(" : ").next().unwrap_or(left).trim();
    if left.starts_with("self.") {
        return Ok(Statement::Other);
    }
    if let Some(attribute) = right.strip_prefix("self.").filter(|it| is_name(it)) {
        return Ok(Statement::Attribute(left.to_owned(), attribute.to_owned()));
    }
    if let Some(attribute) = right.strip_prefix("getattr(self, \"").and_then(|it| it.strip_suffix("\")")) {
        return Ok(Statement::Attribute(left.to_owned(), attribute.to_owned()));
    }
    let names = left.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    Ok(Statement::Assign(names.collect(), expression(right)?))
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|it| it.is_alphanumeric() || it == '_')
}

fn expression(text: &str) -> Result<Expression, String> {
    let other = || Ok(Expression::Other(text.to_owned()));
    if is_name(text) && !text.starts_with(|it: char| it.is_ascii_digit()) {
        return Ok(Expression::Name(text.to_owned()));
    }
    let Some(inner) = text.strip_suffix(')') else { return other() };
    let (target, method, arguments) = if let Some(rest) = inner.strip_prefix('(') {
        let Some((target, rest)) = rest.split_once(").") else { return other() };
        let Some((method, arguments)) = rest.split_once('(') else { return other() };
        (Some(target), method, arguments)
    } else if let Some(rest) = inner.strip_prefix("torch.") {
        let Some((method, arguments)) = rest.split_once('(') else { return other() };
        (None, method, arguments)
    } else {
        return other();
    };
    if !is_name(method) || !target.is_none_or(is_name) {
        return other();
    }
    let arguments = split(arguments).ok_or_else(|| format!("has brackets that do not match: `{text}`"))?;
    let arguments = arguments.into_iter().map(expression).collect::<Result<_, _>>()?;
    Ok(Expression::Call(Call { target: target.map(str::to_owned), method: method.to_owned(), arguments }))
}

/// The parts of a list of arguments; `None` if brackets do not match.
fn split(text: &str) -> Option<Vec<&str>> {
    let (mut parts, mut start, mut depth, mut is_quoted) = (Vec::new(), 0, 0_i32, false);
    for (at, it) in text.char_indices() {
        match it {
            '"' => is_quoted = !is_quoted,
            '(' | '[' | '{' if !is_quoted => depth += 1,
            ')' | ']' | '}' if !is_quoted => depth -= 1,
            ',' if depth == 0 && !is_quoted => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
        if depth < 0 {
            return None;
        }
    }
    parts.push(&text[start..]);
    (depth == 0 && !is_quoted)
        .then(|| parts.into_iter().map(str::trim).filter(|part| !part.is_empty()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_torch_writes_them() {
        let name = |text: &str| Expression::Name(text.to_owned());
        let call = |target: Option<&str>, method: &str, arguments| {
            Expression::Call(Call { target: target.map(str::to_owned), method: method.to_owned(), arguments })
        };
        for (line, expected) in [
            ("_0 = getattr(self, \"0\")", Statement::Attribute("_0".into(), "0".into())),
            ("rnn = self.rnn", Statement::Attribute("rnn".into(), "rnn".into())),
            ("self.hidden_state = h", Statement::Other),
            (
                "_1 = (rnn).forward__0(torch.unsqueeze(x, 0), (h, c), )",
                Statement::Assign(
                    vec!["_1".into()],
                    call(
                        Some("rnn"),
                        "forward__0",
                        vec![
                            call(None, "unsqueeze", vec![name("x"), Expression::Other("0".into())]),
                            Expression::Other("(h, c)".into()),
                        ],
                    ),
                ),
            ),
            ("x1, h, = _1", Statement::Assign(vec!["x1".into(), "h".into()], name("_1"))),
            ("return torch.tanh(x)", Statement::Return(call(None, "tanh", vec![name("x")]))),
        ] {
            assert_eq!(statement(line), Ok(expected), "{line}");
        }
        assert!(statement("if _6:").is_err());
        assert!(statement("x = torch.add(x, [1)").is_err());
        assert!(mentions("[x, 1]", "x") && !mentions("[x0, 1]", "x"));
    }

    #[test]
    fn a_method_ends_where_the_next_begins() {
        let class = "class A(Module):\n  training : bool\n  def forward(self: __torch__.A,\n    x: Tensor) -> Tensor:\n    y = \
                     torch.tanh(x)\n    return y\n  def reset(self: __torch__.A) -> NoneType:\n    return None\n";
        let found = method(class, "forward").unwrap();
        assert_eq!(found.argument, "x");
        assert_eq!(found.body, ["y = torch.tanh(x)", "return y"]);
    }
}
