// bench/drivers/rayon - the peer rayon: par_iter as it comes, on 2 threads. Speaks as driver.h says.
use rayon::prelude::*;
use std::io::{BufRead, Write};
use std::time::Instant;

extern "C" {
    fn bench_spin(iterations: u64) -> u64;
}

fn par_iter(count: u64, iterations: u64) {
    (0..count).into_par_iter().for_each(|_| {
        unsafe { bench_spin(iterations) };
    });
}

fn main() {
    rayon::ThreadPoolBuilder::new().num_threads(2).build_global().unwrap();
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        if words.len() != 4 || words[0] != "par_iter" {
            eprintln!("not a command: {}", line);
            std::process::exit(1);
        }
        let count: u64 = words[1].parse().unwrap();
        let iterations: u64 = words[2].parse().unwrap();
        let calls: u64 = words[3].parse().unwrap();
        if calls == 1 {
            par_iter(count / 8 + 1, iterations);
        } else {
            for _ in 0..calls / 8 {
                par_iter(count, iterations);
            }
        }
        let begun = Instant::now();
        for _ in 0..calls {
            par_iter(count, iterations);
        }
        println!("{}", begun.elapsed().as_nanos());
        std::io::stdout().flush().unwrap();
    }
}
