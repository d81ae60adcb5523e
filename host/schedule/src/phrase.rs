//! The phrase form: `daily at 6am`, `every 5 minutes`, `first Monday of the month at noon` (spec EVR-3).
//!
//! What is not in the grammar is refused (EVR-4): nothing is guessed, nothing is left out.

use crate::calendar::{ALL_MONTHS, ALL_WEEKDAYS, Calendar, Days, nth_seven};
use crate::rule::{ACCEPTED_DATES, Rule, Unit};
use crate::{Error, Options, clock};

/// Monday to Friday.
pub(crate) const WORKDAYS: u8 = 0b011_1110;
/// Saturday and Sunday.
pub(crate) const WEEKEND: u8 = 0b100_0001;

/// The most times of day in one phrase; more are a cron expression or several schedules.
const TIMES_MAX: usize = 24;

const ORDINALS: [&str; 31] = [
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
    "thirteenth",
    "fourteenth",
    "fifteenth",
    "sixteenth",
    "seventeenth",
    "eighteenth",
    "nineteenth",
    "twentieth",
    "twenty-first",
    "twenty-second",
    "twenty-third",
    "twenty-fourth",
    "twenty-fifth",
    "twenty-sixth",
    "twenty-seventh",
    "twenty-eighth",
    "twenty-ninth",
    "thirtieth",
    "thirty-first",
];

pub(crate) fn parse(text: &str, options: Options) -> Result<Rule, Error> {
    let spaced = text.to_lowercase().replace(',', " , ");
    let mut words = Words { words: spaced.split_whitespace().collect(), at: 0, text };
    let rule = if words.take(&["every"]) { every(&mut words, options)? } else { other(&mut words, options)? };
    match words.peek() {
        "" => Ok(rule),
        extra => {
            let reason = format!("is not understood in {:?}", crate::error::cut(text));
            Err(Error { part: extra.to_owned(), ..Error::new(extra, reason, Error::unknown(text).accepted) })
        }
    }
}

/// The words of a phrase, and how far they are read. At the end the next word is empty.
struct Words<'a> {
    words: Vec<&'a str>,
    at: usize,
    text: &'a str,
}

impl<'a> Words<'a> {
    fn peek(&self) -> &'a str {
        self.words.get(self.at).copied().unwrap_or_default()
    }

    fn next(&mut self) -> &'a str {
        let word = self.peek();
        self.at += 1;
        word
    }

    /// Reads these words if they come next.
    fn take(&mut self, words: &[&str]) -> bool {
        let next = self.words.get(self.at..).unwrap_or_default();
        let found = next.starts_with(words);
        self.at += if found { words.len() } else { 0 };
        found
    }

    fn unknown<T>(&self) -> Result<T, Error> {
        Err(Error::unknown(self.text))
    }

    /// `,`, `and` or both.
    fn separator(&mut self) -> bool {
        let comma = self.take(&[","]);
        self.take(&["and"]) || comma
    }

    fn time(&mut self) -> Result<u16, Error> {
        let word = self.next();
        if matches!(self.peek(), "am" | "pm") {
            return clock::time(&format!("{word}{}", self.next()));
        }
        clock::time(word)
    }

    /// `["at" T]`; midnight without.
    fn at_time(&mut self) -> Result<u16, Error> {
        if self.take(&["at"]) { self.time() } else { Ok(0) }
    }

    /// `["at" T {("," | "and") T}]`; midnight without.
    fn at_times(&mut self) -> Result<Vec<u16>, Error> {
        if !self.take(&["at"]) {
            return Ok(vec![0]);
        }
        let mut times = vec![self.time()?];
        while self.separator() {
            if times.len() == TIMES_MAX {
                let accepted = format!("use at most {TIMES_MAX}, or several schedules");
                return Err(Error::new(self.text, "has too many times of day", accepted));
            }
            times.push(self.time()?);
        }
        Ok(times)
    }

    fn weekday(&mut self) -> Result<u8, Error> {
        let word = self.next();
        clock::weekday(word)
            .ok_or_else(|| Error::new(word, "is no day of the week", "use Monday to Sunday, or Mon to Sun"))
    }
}

/// What follows `every`.
fn every(words: &mut Words, options: Options) -> Result<Rule, Error> {
    let word = words.peek();
    if word.starts_with(|c: char| c.is_ascii_digit()) {
        return interval(words, options);
    }
    if clock::weekday(word).is_some() {
        return weekdays_listed(words);
    }
    match words.next() {
        "second" => Rule::every("1", Unit::Second, options),
        "minute" | "min" => Rule::every("1", Unit::Minute, options),
        "hour" | "hr" => Rule::every("1", Unit::Hour, options),
        "day" => daily(words),
        "weekday" => weekdays(words, WORKDAYS),
        "weekend" => weekdays(words, WEEKEND),
        "week" => weekly(words),
        "month" => monthly(words),
        "year" => yearly(words),
        _ => words.unknown(),
    }
}

/// Phrases without `every`.
fn other(words: &mut Words, options: Options) -> Result<Rule, Error> {
    let word = words.peek();
    if word.bytes().all(|b| b.is_ascii_digit()) && !word.is_empty() {
        return interval(words, options);
    }
    if clock::weekday(word).is_some() {
        return weekdays_listed(words);
    }
    if word == "last" || ordinal(word).is_some() {
        return of_the_month(words);
    }
    match words.next() {
        "hourly" => Rule::every("1", Unit::Hour, options),
        "minutely" => Rule::every("1", Unit::Minute, options),
        "daily" | "everyday" => daily(words),
        "weekdays" => weekdays(words, WORKDAYS),
        "weekends" => weekdays(words, WEEKEND),
        "weekly" => weekly(words),
        "monthly" => monthly(words),
        "yearly" | "annually" => yearly(words),
        _ => words.unknown(),
    }
}

fn interval(words: &mut Words, options: Options) -> Result<Rule, Error> {
    let count = words.next();
    let unit = match words.next() {
        "second" | "seconds" => Unit::Second,
        "minute" | "minutes" | "min" => Unit::Minute,
        "hour" | "hours" | "hr" => Unit::Hour,
        "day" | "days" => Unit::Day,
        "week" | "weeks" => Unit::Week,
        _ => return words.unknown(),
    };
    Rule::every(count, unit, options)
}

fn daily(words: &mut Words) -> Result<Rule, Error> {
    Ok(Rule::Calendar(Calendar::daily_at(words.at_times()?)))
}

fn weekdays(words: &mut Words, weekdays: u8) -> Result<Rule, Error> {
    Ok(Rule::Calendar(Calendar::on_weekdays(weekdays, words.at_times()?)))
}

/// `Monday, Wednesday and Friday at 9am`
fn weekdays_listed(words: &mut Words) -> Result<Rule, Error> {
    let mut listed = 1 << words.weekday()?;
    while words.separator() {
        listed |= 1 << words.weekday()?;
    }
    weekdays(words, listed)
}

fn weekly(words: &mut Words) -> Result<Rule, Error> {
    // A week begins with its Monday.
    let day = if words.take(&["on"]) { words.weekday()? } else { 1 };
    weekdays(words, 1 << day)
}

fn monthly(words: &mut Words) -> Result<Rule, Error> {
    let mut day = 1;
    if words.take(&["on", "the"]) {
        let word = words.next();
        day = ordinal(word).ok_or_else(|| Error::new(word, "is no day of a month", "use 1st to 31st, or first"))?;
    }
    on_day(words, day)
}

fn on_day(words: &mut Words, day: u8) -> Result<Rule, Error> {
    let days = Days::dates(1 << day, ALL_MONTHS, ALL_WEEKDAYS, false).expect("some month has each of 31 days");
    Ok(Rule::Calendar(Calendar::new(days, vec![words.at_time()?])))
}

/// `first of the month`, `15th day of every month`, `last day of the month`, `second Tuesday of the month`.
fn of_the_month(words: &mut Words) -> Result<Rule, Error> {
    let nth = ordinal(words.next());
    if let Some(weekday) = clock::weekday(words.peek()) {
        words.next();
        let days = match nth {
            None => Days::LastWeekday(weekday),
            Some(nth @ 1..=4) => Days::dates(nth_seven(nth), ALL_MONTHS, 1 << weekday, false).expect("they exist"),
            Some(_) => return words.unknown(),
        };
        if !words.take(&["of", "the", "month"]) {
            return words.unknown();
        }
        return Ok(Rule::Calendar(Calendar::new(days, vec![words.at_time()?])));
    }
    let Some(day) = nth else {
        if !words.take(&["day", "of", "the", "month"]) {
            return words.unknown();
        }
        return Ok(Rule::Calendar(Calendar::new(Days::Last, vec![words.at_time()?])));
    };
    words.take(&["day"]);
    let month =
        words.take(&["of", "the", "month"]) || words.take(&["of", "every", "month"]) || words.take(&["of", "month"]);
    if month { on_day(words, day) } else { words.unknown() }
}

fn yearly(words: &mut Words) -> Result<Rule, Error> {
    let (mut month, mut day) = (1, 1);
    if words.take(&["on"]) {
        let word = words.next();
        month = clock::month(word)
            .ok_or_else(|| Error::new(word, "is no month", "use January to December, or Jan to Dec"))?;
        let word = words.next();
        let number = word.parse().ok().filter(|day| (1..=31).contains(day));
        day = number.ok_or_else(|| Error::new(word, "is no day of a month", "use 1 to 31, like March 1"))?;
    }
    let Some(days) = Days::dates(1 << day, 1 << month, ALL_WEEKDAYS, false) else {
        return Err(Error::new(words.text, "never occurs: that month has no such day", ACCEPTED_DATES));
    };
    Ok(Rule::Calendar(Calendar::new(days, vec![words.at_time()?])))
}

/// 1…31 of `1st` or `first`.
fn ordinal(word: &str) -> Option<u8> {
    if let Some(index) = ORDINALS.iter().position(|ordinal| *ordinal == word) {
        return u8::try_from(index + 1).ok();
    }
    let (digits, ending) = word.split_at(word.bytes().take_while(u8::is_ascii_digit).count());
    let number: u8 = digits.parse().ok().filter(|number| (1..=31).contains(number))?;
    let right = match (number % 10, number) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    (ending == right && !digits.starts_with('0')).then_some(number)
}
