//! How people and places are called, by language.

use crate::Dice;

/// First names (women, men), family names, towns.
struct Names {
    code: &'static str,
    first: &'static [&'static str],
    last: &'static [&'static str],
    cities: &'static [&'static str],
}

static TABLES: &[Names] = &[
    Names {
        code: "de",
        first: &[
            "Anna",
            "Katrin",
            "Julia",
            "Sabine",
            "Heike",
            "Nina",
            "Birgit",
            "Claudia",
            "Franziska",
            "Jana",
            "Lena",
            "Miriam",
            "Petra",
            "Susanne",
            "Ulrike",
            "Lukas",
            "Stefan",
            "Tobias",
            "Markus",
            "Florian",
            "Jens",
            "Andreas",
            "Bernd",
            "Dirk",
            "Holger",
            "Jörg",
            "Kai",
            "Matthias",
            "Oliver",
            "Sven",
            "Thorsten",
            "Uwe",
            "Björn",
            "Günter",
            "Jürgen",
            "Käthe",
        ],
        last: &[
            "Schneider",
            "Weber",
            "Hoffmann",
            "Krüger",
            "Vogel",
            "Brandt",
            "Lorenz",
            "Seidel",
            "Arnold",
            "Winkler",
            "Böhm",
            "Jäger",
            "Köhler",
            "Möller",
            "Schäfer",
            "Lindner",
            "Haas",
            "Kuhn",
            "Pohl",
            "Reuter",
            "Stahl",
            "Voigt",
            "Wendt",
            "Ziegler",
            "Busch",
            "Engel",
            "Fiedler",
            "Graf",
            "Horn",
            "Jahn",
            "Kraft",
            "Ludwig",
            "Noack",
            "Otto",
        ],
        cities: &["Hamburg", "Leipzig", "Bremen", "Kassel", "Dresden", "Hannover", "Stuttgart", "Wien"],
    },
    Names {
        code: "en",
        first: &[
            "Emma", "Sophie", "Hannah", "Lucy", "Rachel", "Claire", "Jennifer", "Ashley", "Laura", "Megan", "Amy", "Karen", "Natalie",
            "Priya", "Denise", "Grace", "Holly", "Joanne", "James", "Oliver", "Daniel", "George", "Adam", "Simon", "Mike", "David",
            "Kevin", "Brian", "Jason", "Eric", "Neil", "Patrick", "Raj", "Scott", "Tom", "Victor", "Wayne", "Chris",
        ],
        last: &[
            "Hughes", "Barker", "Mitchell", "Foster", "Palmer", "Webb", "Chapman", "Harding", "Doyle", "Pearce", "Miller", "Sanders",
            "Coleman", "Price", "Bennett", "Russell", "Griffin", "Hayes", "Myers", "Ford", "Aldridge", "Bowen", "Crane", "Dutton",
            "Fletcher", "Gibbs", "Holt", "Ingram", "Keane", "Lowe", "Marsh", "Nolan", "O'Brien", "Patel", "Quinn", "Rowe", "Sutton",
        ],
        cities: &["London", "Leeds", "Bristol", "Derby", "Boston", "Denver", "Dayton", "Tampa", "Dublin"],
    },
    Names {
        code: "es",
        first: &[
            "María", "Lucía", "Elena", "Marta", "Raquel", "Inés", "Ana", "Beatriz", "Carmen", "Cristina", "Isabel", "Laura", "Mónica",
            "Nuria", "Pilar", "Rocío", "Silvia", "Carlos", "Javier", "Pablo", "Sergio", "Álvaro", "Diego", "Alberto", "Andrés", "David",
            "Enrique", "Fernando", "Íñigo", "Jorge", "José", "Luis", "Manuel", "Óscar", "Raúl", "Víctor",
        ],
        last: &[
            "García", "Romero", "Navarro", "Ortega", "Vidal", "Serrano", "Molina", "Castro", "Rubio", "Herrera", "Alonso", "Blanco",
            "Cano", "Delgado", "Esteban", "Fuentes", "Gallego", "Ibáñez", "Jiménez", "León", "Marín", "Núñez", "Ortiz", "Peña", "Ramos",
            "Sanz", "Torres", "Vega", "Lozano", "Méndez", "Soler", "Pascual",
        ],
        cities: &["Madrid", "Valencia", "Bilbao", "Sevilla", "Zaragoza", "Málaga", "Vigo"],
    },
    Names {
        code: "fr",
        first: &[
            "Camille",
            "Claire",
            "Sandrine",
            "Aurélie",
            "Manon",
            "Élise",
            "Céline",
            "Hélène",
            "Isabelle",
            "Julie",
            "Laure",
            "Nathalie",
            "Océane",
            "Pauline",
            "Sophie",
            "Valérie",
            "Julien",
            "Thomas",
            "Nicolas",
            "Mathieu",
            "Pierre",
            "Luc",
            "Antoine",
            "Benoît",
            "Cédric",
            "Damien",
            "Étienne",
            "François",
            "Gérard",
            "Jérôme",
            "Olivier",
            "Rémi",
            "Sébastien",
            "Vincent",
        ],
        last: &[
            "Moreau",
            "Girard",
            "Lambert",
            "Fontaine",
            "Rousseau",
            "Mercier",
            "Blanchard",
            "Gauthier",
            "Perrin",
            "Leroux",
            "Aubert",
            "Barbier",
            "Chevalier",
            "Denis",
            "Faure",
            "Guérin",
            "Hubert",
            "Jacquet",
            "Lefèvre",
            "Marchand",
            "Noël",
            "Picard",
            "Renard",
            "Simon",
            "Vidal",
            "Besson",
            "Colin",
            "Dufour",
            "Meunier",
            "Poirier",
        ],
        cities: &["Paris", "Lyon", "Nantes", "Lille", "Rennes", "Bordeaux", "Grenoble"],
    },
    Names {
        code: "pt",
        first: &[
            "Ana",
            "Beatriz",
            "Catarina",
            "Filipa",
            "Inês",
            "Joana",
            "Mariana",
            "Patrícia",
            "Rita",
            "Sofia",
            "Teresa",
            "Vânia",
            "Helena",
            "Luísa",
            "Cláudia",
            "André",
            "Bruno",
            "Carlos",
            "Diogo",
            "Filipe",
            "Gonçalo",
            "Hugo",
            "João",
            "Luís",
            "Miguel",
            "Nuno",
            "Paulo",
            "Pedro",
            "Ricardo",
            "Rui",
            "Sérgio",
            "Tiago",
            "Vítor",
            "Fábio",
        ],
        last: &[
            "Almeida",
            "Barbosa",
            "Cardoso",
            "Duarte",
            "Esteves",
            "Ferreira",
            "Gomes",
            "Henriques",
            "Lopes",
            "Machado",
            "Neves",
            "Oliveira",
            "Pereira",
            "Ramos",
            "Santos",
            "Tavares",
            "Vieira",
            "Azevedo",
            "Brandão",
            "Coelho",
            "Dias",
            "Fonseca",
            "Gonçalves",
            "Leitão",
            "Magalhães",
            "Nogueira",
            "Pinto",
            "Queirós",
            "Ribeiro",
            "Simões",
            "Teixeira",
        ],
        cities: &["Lisboa", "Porto", "Braga", "Coimbra", "Aveiro", "Faro", "Setúbal"],
    },
];

fn table(code: &str) -> &'static Names {
    let code = crate::grammar::language(code).code;
    TABLES.iter().find(|t| t.code == code).unwrap_or_else(|| unreachable!("every language has names"))
}

/// A first name.
pub fn first(code: &str, dice: &mut Dice) -> &'static str {
    dice.word(table(code).first)
}

/// First and family name; two family names in Spanish now and then.
pub fn full(code: &str, dice: &mut Dice) -> String {
    let t = table(code);
    let (first, last) = (dice.word(t.first), dice.word(t.last));
    if t.code == "es" && dice.percent(30) { format!("{first} {last} {}", dice.word(t.last)) } else { format!("{first} {last}") }
}

/// Towns of the language.
pub fn cities(code: &str) -> &'static [&'static str] {
    table(code).cities
}

/// A word in the letters of an address: accents taken off, everything else that is no letter or digit dropped.
pub fn plain(code: &str, word: &str) -> String {
    let german = crate::grammar::language(code).code == "de";
    let mut out = String::with_capacity(word.len());
    for c in word.chars().flat_map(char::to_lowercase) {
        match c {
            'ä' if german => out.push_str("ae"),
            'ö' if german => out.push_str("oe"),
            'ü' if german => out.push_str("ue"),
            'ß' => out.push_str("ss"),
            'á' | 'à' | 'â' | 'ã' | 'ä' | 'å' => out.push('a'),
            'é' | 'è' | 'ê' | 'ë' => out.push('e'),
            'í' | 'ì' | 'î' | 'ï' => out.push('i'),
            'ó' | 'ò' | 'ô' | 'õ' | 'ö' | 'ø' => out.push('o'),
            'ú' | 'ù' | 'û' | 'ü' => out.push('u'),
            'ç' => out.push('c'),
            'ñ' => out.push('n'),
            c if c.is_ascii_alphanumeric() => out.push(c),
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_fit_an_address() {
        assert_eq!(super::plain("de", "Jörg"), "joerg");
        assert_eq!(super::plain("es", "Núñez"), "nunez");
        assert_eq!(super::plain("en", "O'Brien"), "obrien");
    }
}
