//! calc: a tool box. It is of none of the platform's worlds: each function of its own WIT is an action, `calc.add`.

use exports::example::calc::arithmetic::{Guest as Arithmetic, Operation, Point, Shape, Statistics, Style};

wit_bindgen::generate!({ path: "wit" });

struct Calc;

impl Guest for Calc {
    fn add(a: f64, b: f64) -> f64 {
        a + b
    }
}

impl Arithmetic for Calc {
    fn apply(operation: Operation, a: f64, b: f64) -> Result<f64, String> {
        match operation {
            Operation::Add => Ok(a + b),
            Operation::Subtract => Ok(a - b),
            Operation::Multiply => Ok(a * b),
            Operation::Divide if b == 0.0 => Err(format!("{a} cannot be divided by zero")),
            Operation::Divide => Ok(a / b),
        }
    }

    fn divide_rest(a: i64, b: i64) -> Result<(i64, i64), String> {
        let quotient = a.checked_div_euclid(b).ok_or_else(|| format!("{a} cannot be divided by {b}"))?;
        Ok((quotient, a.rem_euclid(b)))
    }

    fn area(shape: Shape) -> f64 {
        match shape {
            Shape::Circle(radius) => std::f64::consts::PI * radius * radius,
            Shape::Rectangle((width, height)) => width * height,
            Shape::Polygon(corners) => polygon_area(&corners),
            Shape::Nothing => 0.0,
        }
    }

    fn describe(mut numbers: Vec<f64>) -> Option<Statistics> {
        numbers.sort_by(f64::total_cmp);
        let (smallest, largest) = (*numbers.first()?, *numbers.last()?);
        let count = numbers.len();
        let middle = (count % 2 == 1).then(|| numbers[count / 2]);
        let mean = numbers.iter().sum::<f64>() / count as f64;
        Some(Statistics { count: count as u32, mean, smallest, largest, middle })
    }

    fn format(number: f64, style: Style) -> String {
        let number = if style.contains(Style::PERCENT) { number * 100.0 } else { number };
        let digits = format!("{:.2}", number.abs());
        let (whole, fraction) = digits.split_once('.').unwrap_or((&digits, "00"));
        let whole = if style.contains(Style::THOUSANDS) { thousands(whole) } else { whole.to_owned() };
        let sign = match number {
            n if n < 0.0 => "-",
            _ if style.contains(Style::SIGN) => "+",
            _ => "",
        };
        let unit = if style.contains(Style::PERCENT) { " %" } else { "" };
        format!("{sign}{whole}.{fraction}{unit}")
    }
}

/// Half the sum of the cross products of neighbouring corners.
fn polygon_area(corners: &[Point]) -> f64 {
    let next = corners.iter().cycle().skip(1);
    let twice: f64 = corners.iter().zip(next).map(|(a, b)| a.x * b.y - b.x * a.y).sum();
    twice.abs() / 2.0
}

fn thousands(digits: &str) -> String {
    let mut grouped = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

export!(Calc);
