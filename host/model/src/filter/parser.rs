//! Reads a filter, by descent.

use super::lexer::{Token, tokens};
use super::{Comparison, Condition, DEPTH_MAX, FilterError, Operand, Path, Root, Step};
use serde_json::Value;

const KEYWORDS: [&str; 10] = ["and", "or", "not", "in", "contains", "startsWith", "exists", "true", "false", "null"];

/// The condition, and whether it looks at `input`.
pub(super) fn parse(text: &str) -> Result<(Condition, bool), FilterError> {
    let mut parser = Parser { tokens: tokens(text)?, next: 0, depth: 0, uses_input: false };
    let condition = parser.either()?;
    match parser.peek() {
        Token::End => Ok((condition, parser.uses_input)),
        _ => parser.expected("and, or, or the end"),
    }
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    next: usize,
    depth: usize,
    uses_input: bool,
}

impl Parser {
    fn peek(&self) -> &Token {
        &self.tokens[self.next].1
    }

    /// Stays at the end once it is there.
    fn advance(&mut self) -> Token {
        let token = self.peek().clone();
        self.next = (self.next + 1).min(self.tokens.len() - 1);
        token
    }

    fn error<T>(&self, message: impl Into<String>) -> Result<T, FilterError> {
        Err(FilterError { at: self.tokens[self.next].0, message: message.into() })
    }

    fn expected<T>(&self, what: &str) -> Result<T, FilterError> {
        let found = match self.peek() {
            Token::Word(word) => crate::quote(word),
            Token::Text(text) => format!("the text {}", crate::quote(text)),
            Token::Number(number) => format!("the number {}", crate::quote(&number.to_string())),
            Token::Sign(sign) => format!("{sign:?}"),
            Token::End => "the end".into(),
        };
        self.error(format!("found {found}, expected {what}"))
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Token::Word(next) if next == word);
        if found {
            self.advance();
        }
        found
    }

    fn take_sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Token::Sign(next) if *next == sign);
        if found {
            self.advance();
        }
        found
    }

    fn either(&mut self) -> Result<Condition, FilterError> {
        let first = self.both()?;
        let mut any = vec![first];
        while self.take_word("or") {
            any.push(self.both()?);
        }
        Ok(if any.len() == 1 { any.remove(0) } else { Condition::Any(any) })
    }

    fn both(&mut self) -> Result<Condition, FilterError> {
        let first = self.one()?;
        let mut all = vec![first];
        while self.take_word("and") {
            all.push(self.one()?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Condition::All(all) })
    }

    fn one(&mut self) -> Result<Condition, FilterError> {
        if self.depth == DEPTH_MAX {
            return self.error(format!("parentheses and nots lie at most {DEPTH_MAX} deep in each other"));
        }
        self.depth += 1;
        let condition = if self.take_word("not") {
            Condition::Not(Box::new(self.one()?))
        } else if self.take_sign("(") {
            let inner = self.either()?;
            if !self.take_sign(")") {
                return self.expected("and, or, or a closing )");
            }
            inner
        } else if self.take_word("exists") {
            let parenthesis = self.take_sign("(");
            let path = self.path()?;
            if parenthesis && !self.take_sign(")") {
                return self.expected("a closing )");
            }
            Condition::Exists(path)
        } else {
            self.comparison()?
        };
        self.depth -= 1;
        Ok(condition)
    }

    fn comparison(&mut self) -> Result<Condition, FilterError> {
        let left = self.operand()?;
        if let Operand::Path(path) = &left
            && self.take_word("exists")
        {
            return Ok(Condition::Exists(path.clone()));
        }
        let Some(comparison) = self.comparison_sign() else {
            return match left {
                Operand::Path(_) | Operand::Literal(Value::Bool(_)) => Ok(Condition::Is(left)),
                Operand::Literal(_) => self.expected("a comparison like == or in"),
            };
        };
        if comparison == Comparison::In && !matches!(self.peek(), Token::Word(_) | Token::Sign("[")) {
            return self.expected("a list like [\"USD\", \"EUR\"], or the path of one");
        }
        let right = self.operand()?;
        if self.comparison_sign().is_some() {
            self.next -= 1;
            return self.expected("and, or, or the end: two values are compared at a time");
        }
        Ok(Condition::Compare(left, comparison, right))
    }

    fn comparison_sign(&mut self) -> Option<Comparison> {
        let comparison = match self.peek() {
            Token::Sign("==") => Comparison::Equal,
            Token::Sign("!=") => Comparison::NotEqual,
            Token::Sign("<") => Comparison::Less,
            Token::Sign("<=") => Comparison::LessOrEqual,
            Token::Sign(">") => Comparison::Greater,
            Token::Sign(">=") => Comparison::GreaterOrEqual,
            Token::Word(word) => match word.as_str() {
                "in" => Comparison::In,
                "contains" => Comparison::Contains,
                "startsWith" => Comparison::StartsWith,
                _ => return None,
            },
            Token::Sign(_) | Token::Text(_) | Token::Number(_) | Token::End => return None,
        };
        self.advance();
        Some(comparison)
    }

    fn operand(&mut self) -> Result<Operand, FilterError> {
        if self.take_sign("[") {
            return self.list().map(Operand::Literal);
        }
        if let Some(literal) = self.literal() {
            return Ok(Operand::Literal(literal));
        }
        self.path().map(Operand::Path)
    }

    /// After its `[`.
    fn list(&mut self) -> Result<Value, FilterError> {
        let mut items = Vec::new();
        while !self.take_sign("]") {
            if !items.is_empty() && !self.take_sign(",") {
                return self.expected("a comma or a closing ]");
            }
            match self.literal() {
                Some(item) => items.push(item),
                None => return self.expected("a text, a number, true, false or null"),
            }
        }
        Ok(Value::Array(items))
    }

    fn literal(&mut self) -> Option<Value> {
        let literal = match self.peek() {
            Token::Text(text) => Value::String(text.clone()),
            Token::Number(number) => Value::Number(number.clone()),
            Token::Word(word) => match word.as_str() {
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                "null" => Value::Null,
                _ => return None,
            },
            Token::Sign(_) | Token::End => return None,
        };
        self.advance();
        Some(literal)
    }

    fn path(&mut self) -> Result<Path, FilterError> {
        let first = match self.peek() {
            Token::Word(word) if !KEYWORDS.contains(&word.as_str()) => word.clone(),
            _ => return self.expected("a path like data.amount, or a value"),
        };
        self.advance();
        let mut steps = Vec::new();
        let root = match first.as_str() {
            "event" => Root::Event,
            "input" => Root::Input,
            _ => {
                steps.push(Step::Key(first));
                Root::Event
            }
        };
        self.uses_input |= root == Root::Input;
        loop {
            if self.take_sign(".") {
                match self.peek().clone() {
                    // Behind a dot a keyword is a name as any other.
                    Token::Word(word) => steps.push(Step::Key(word)),
                    Token::Text(_) | Token::Number(_) | Token::Sign(_) | Token::End => {
                        return self.expected("the name of a field; others are written [\"like this\"] or [0]");
                    }
                }
                self.advance();
            } else if self.take_sign("[") {
                steps.push(self.bracket()?);
            } else if steps.is_empty() {
                return self.expected("a field of it, like .data");
            } else {
                return Ok(Path { root, steps });
            }
        }
    }

    /// After its `[`.
    fn bracket(&mut self) -> Result<Step, FilterError> {
        let step = match self.peek() {
            Token::Text(key) => Some(Step::Key(key.clone())),
            Token::Number(number) => number.as_u64().and_then(|index| usize::try_from(index).ok()).map(Step::Index),
            Token::Word(_) | Token::Sign(_) | Token::End => None,
        };
        let Some(step) = step else { return self.expected("a name in quotes or a position from 0") };
        self.advance();
        if self.take_sign("]") { Ok(step) } else { self.expected("a closing ]") }
    }
}
