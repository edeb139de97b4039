use std::sync::atomic::{AtomicU32, Ordering};

use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    fn alert(text: &str) -> bool;
    #[wasm_bindgen(js_namespace = console, variadic)]
    fn log(values: Vec<JsValue>);
    fn each(numbers: &dyn Fn(u32), names: &mut dyn FnMut(String));
}

#[wasm_bindgen]
#[derive(Clone, Copy)]
pub enum Colour {
    Red = 1,
    Green = 2,
}

#[wasm_bindgen]
pub struct Counter {
    pub count: u32,
    names: Vec<String>,
}

#[wasm_bindgen]
impl Counter {
    #[wasm_bindgen(constructor)]
    pub fn new(count: u32) -> Counter {
        Counter { count, names: Vec::new() }
    }

    pub fn add(&mut self, name: String, colour: Colour) -> Option<u32> {
        self.names.push(name);
        self.count = self.count.checked_add(colour as u32)?;
        Some(self.count)
    }

    pub fn names(&self) -> Vec<String> {
        self.names.clone()
    }
}

#[wasm_bindgen]
pub fn greet(name: &str) -> Result<String, JsValue> {
    if name.is_empty() {
        return Err(JsValue::from_str("nobody"));
    }
    alert(name);
    Ok(format!("Hello, {name}"))
}

#[wasm_bindgen]
pub fn sum(values: &[f64], weights: Option<Vec<f32>>) -> f64 {
    let weights = weights.unwrap_or_default();
    values.iter().zip(&weights).map(|(a, b)| a * f64::from(*b)).sum()
}

#[wasm_bindgen]
pub fn later(by: i64) -> JsValue {
    let mut left = by;
    Closure::<dyn FnMut(JsValue, u8) -> bool>::new(move |_value, step: u8| {
        left -= i64::from(step);
        if left < 0 {
            panic!("none are left");
        }
        left > 0
    }).into_js_value()
}

#[wasm_bindgen]
pub fn visit(names: Vec<String>) {
    let seen = AtomicU32::new(0);
    each(&|number| log(vec![number.into()]), &mut |_name| {
        seen.fetch_add(1, Ordering::Relaxed);
    });
    log(names.into_iter().map(JsValue::from).collect());
}
