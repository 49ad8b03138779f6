//! Prints, a line for each and so for `grep`: `imports`, `circles`, `slices`, `floors`, `sizes`, `comments`.
//! With `known`, the list that `known.txt` has to be. With `--at FOLDER`, of another checkout.

#![allow(clippy::print_stdout, reason = "this program prints")]

use chat_layers::{
    Crate, arrows, circles, complaints, counts, crates, floors, functions, graph, lines, slices, spread,
    violations, workspace,
};

/// A name that may be asked for, and what prints it.
type Part = (&'static str, fn(&[Crate]));

fn main() {
    let mut wanted: Vec<_> = std::env::args().skip(1).collect();
    let place = match wanted.iter().position(|argument| argument == "--at") {
        Some(at) => wanted.drain(at..).nth(1).expect("--at names a folder").into(),
        None => workspace(),
    };
    let crates = crates(&place);
    let parts: [Part; 7] = [
        ("imports", print_imports),
        ("circles", print_circles),
        ("slices", print_slices),
        ("floors", print_floors),
        ("sizes", print_sizes),
        ("comments", print_comments),
        ("known", print_known),
    ];
    for (name, print) in parts {
        if wanted.iter().any(|wanted| wanted == name) {
            print(&crates);
        }
    }
}

fn print_imports(crates: &[Crate]) {
    for one in crates {
        let graph = graph(&arrows(&one.sources));
        for source in &one.sources {
            let to = graph.get(&source.path).map(|to| to.iter().cloned().collect::<Vec<_>>().join(" "));
            println!("import {} {} -> {}", one.name, source.path, to.unwrap_or_default());
        }
    }
}

fn print_circles(crates: &[Crate]) {
    for one in crates {
        for circle in circles(&graph(&arrows(&one.sources))) {
            println!("circle {} {}", one.name, circle.into_iter().collect::<Vec<_>>().join(" "));
        }
    }
}

fn print_slices(crates: &[Crate]) {
    for one in crates {
        slices(&one.sources).iter().for_each(|slice| println!("slice {} {slice}", one.name));
    }
}

fn print_floors(crates: &[Crate]) {
    for one in crates.iter().filter(|one| one.name == "chat-core") {
        floors(&one.sources).iter().for_each(|floor| println!("floor {} {floor}", one.name));
    }
}

fn print_sizes(crates: &[Crate]) {
    for one in crates {
        print_sizes_of(&one.name, std::slice::from_ref(one));
    }
    print_sizes_of("all", crates);
    print_longest(crates);
}

fn print_sizes_of(name: &str, crates: &[Crate]) {
    let files: Vec<_> = crates.iter().flat_map(Crate::files).collect();
    let of_functions = files.iter().flat_map(functions).map(|function| function.lines).collect();
    for (what, lengths) in
        [("functions", of_functions), ("files", files.iter().map(lines).collect::<Vec<_>>())]
    {
        let count = lengths.len();
        let (median, ninety, longest) = spread(lengths);
        println!("size {name} {count} {what}: median {median}, p90 {ninety}, longest {longest} lines");
    }
}

fn print_longest(crates: &[Crate]) {
    let (mut of_functions, mut of_files) = (Vec::new(), Vec::new());
    for one in crates {
        for file in one.files() {
            let path = format!("{}/{}", one.name, file.path);
            of_files.push((lines(&file), path.clone()));
            let named =
                |function: chat_layers::Function| format!("{path}:{} {}", function.line, function.name);
            of_functions
                .extend(functions(&file).into_iter().map(|function| (function.lines, named(function))));
        }
    }
    for (what, mut all) in [("function", of_functions), ("file", of_files)] {
        all.sort_by(|a, b| b.cmp(a));
        all.iter().take(10).for_each(|(lines, name)| println!("longest {what} {lines} {name}"));
    }
}

fn print_comments(crates: &[Crate]) {
    for one in crates {
        for file in one.files() {
            for (line, complaint) in complaints(&file) {
                println!("comment {}/{}:{line} {complaint:?}", one.name, file.path);
            }
        }
    }
}

fn print_known(crates: &[Crate]) {
    violations(crates).iter().for_each(|violation| println!("{violation}"));
    for (what, count) in counts(crates) {
        println!("{}", what.replacen(": ", &format!(": {count} "), 1));
    }
}
