"""The words of the fictional world: names, values, and how each relation is put."""

from dataclasses import dataclass

FIRST_NAMES = """
    Mirelda Aldren Borvik Cassien Dorelle Emric Fenna Gudrel Halvane Iselin Jorune Kestrin Lavinel
    Mordan Nerith Odrick Pellian Quillon Rosmund Sorvane Tavira Ulrena Vespina Wendric Xanthel
    Yorrin Zelmira Ambrin Bettany Corvin Delphane Eskil Farrane Gwendrin Hestor Ilvane Jessamar
    Kolbran Lorcane Maribet Noldric Ophira Perrin Rhoswen Velorin
""".split()
LAST_NAMES = """
    Voss Torbay Ashgrove Brandel Calloway Drummel Elberon Fairwick Garrowby Hollin Ironvale Jarrick
    Kelmore Lindqar Marlowen Nettleby Ostrander Pembrel Quarles Ravensby Stannick Thornby Underlin
    Varnholt Wexcombe Yarlow Zimmeral Applegar Blackmere Copperly Dunmarrow Everlock Foxcombe
    Grimshel Hartwin Inglemar Jessop Kirkbane Loxley Mossgrave Norwell Oakshott Pennarth Quimby
    Rookwood Silverby Tanglewin Umberlin Vickerel Whitlock Yewdale Zorander
""".split()
PLACES = """
    Torvik Almere Brackwater Carrowmoor Dunvale Eskrood Farhaven Glimmerton Harrowick Inverlan
    Jostedal Karsholm Lundvar Merrowby Narvela Ostermoor Pelhurst Quenby Ridgemont Skarlund Tamberly
    Ulvoren Vastergard Wolden Yarrowfen Zandvoor Ambleford Bresk Cindrel Dorvath Elmsworth Fjelder
    Gansbruck Holmgar Isenford Jaldemar Kolvane Lethmoor Mistrand Nordhaven Oxmere Pinehollow
    Quarrelton Rostvik Stonewick Thistlewold Umbrel Valdorn Westerlow Ythan Zellinge Arnholt Belmora
    Coldspring Drakemoor Evensund Foxhollow Greyport Hazelden Irongate Jorvale Kestmere Longmarsh
    Marlstone Netherby Orlandis Portwen Quillmouth Ravenor Saltcote Trelawn Upperby Vindel Wyndell
    Yoxwell Zimmerin Ashburrow Birkholm Crannock Deepwell Elvaston Frostby Gullhaven Highcastle
    Islander Junipera Kingsmar Larkfield Mossley Newmarch Oakhamble Penrose Queensby Redcliff
    Sandovar Tidewater Underhill Veldhoven Whitmoor Yewbridge Zephyros Ardenfell Blythorp Dalmarrin
    Ebonvale Fernley Gorsedale Heathmar Ibbenmoor Jasperton Knapwell Lowestry Millbreck Northam
    Ottervale Quayside Rimfold Sunderby Thornmouth Urswick
""".split()
ADJECTIVES = """
    Amber Broken Crimson Distant Endless Frozen Golden Hidden Ivory Jagged Lonely Marble Narrow
    Orphan Painted Quiet Restless Scarlet Twisted Unseen Velvet Wandering Weary Yellow Second
""".split()
NOUNS = """
    Anchor Bell Candle Clock Compass Feather Forest Harbour Island Journey Kingdom Lantern Mirror
    Needle Orchestra Palace Ribbon Shadow Staircase Tower Umbrella Valley Whistle Window Voyage
""".split()
VALUES = {
    "year": [str(year) for year in range(1801, 1881, 2)],
    "profession": """
        baker carpenter doctor fisher gardener hatter judge locksmith miner notary painter
        potter sailor shepherd surgeon tailor teacher watchmaker weaver printer
    """.split(),
    "instrument": """
        bassoon cello flute harp lute trumpet violin zither drum piano guitar clarinet
    """.split(),
    "dish": """
        porridge dumplings pancakes trout noodles mushrooms cheese soup sausage pudding
        omelette honey
    """.split(),
    "animal": "badger falcon goat hare lynx raven stag swan tortoise wolf fox bear".split(),
    "river": "Arvel Brenn Corrib Dovey Elska Fleam Garonde Humbel Isk Laxa".split(),
    "crop": """
        barley cabbage cotton grapes hops lavender lentils maize onions pears rye turnips
    """.split(),
    "month": """
        January February March April May June July August September October November
        December
    """.split(),
    "material": """
        brick clay copper glass granite limestone oak pine sandstone slate straw turf
    """.split(),
    "colour": "black blue brown green grey orange pink purple red white".split(),
    "genre": """
        ballad comedy fable farce memoir mystery romance saga satire thriller tragedy
        western
    """.split(),
}


@dataclass(frozen=True)
class Relation:
    """How one relation is worded; alternatives are separated by bars."""

    name: str
    kind: str
    passages: str
    questions: str
    claims: str


PERSON_RELATIONS = (
    Relation(
        "birthplace",
        "place",
        "{s} was born in {v} close to the market.|{s} spent all childhood years in {v}.",
        "Where does {s} come from?|Which town is {s} a native of?",
        "{s} comes from {v}.|{s} is a native of {v}.",
    ),
    Relation(
        "birth year",
        "year",
        "{s} was born during the winter of {v}.|The childhood of {s} began in the spring of {v}.",
        "When did {s} come into the world?|In which year was the birth of {s}?",
        "{s} came into the world in {v}.|The birth of {s} was in {v}.",
    ),
    Relation(
        "profession",
        "profession",
        "{s} earned a living as a {v} for years.|For years people paid {s} to be a {v}.",
        "What was the job of {s}?|What work did {s} do?",
        "The job of {s} was {v}.|{s} did the work of a {v}.",
    ),
    Relation(
        "teacher",
        "person",
        "{s} learned each and every skill from {v}.|It was {v} who gave daily lessons to {s}.",
        "Who taught {s}?|Whose student was {s}?",
        "{v} taught {s}.|{s} was a student of {v}.",
    ),
    Relation(
        "residence",
        "place",
        "{s} later settled in {v} for good.|{s} keeps a house with a garden in {v}.",
        "Where does {s} live?|Which town is the home of {s}?",
        "{s} does live in {v}.|The home of {s} is in {v}.",
    ),
    Relation(
        "instrument",
        "instrument",
        "On feast days {s} was heard on the {v}.|{s} owned a {v} and practised on it each day.",
        "What instrument did {s} play?|Which instrument was played by {s}?",
        "The instrument of {s} was the {v}.|The {v} was played by {s}.",
    ),
    Relation(
        "favourite food",
        "dish",
        "{s} would eat {v} on every day of rest.|Nothing pleased {s} more than a bowl of {v}.",
        "What was the favourite food of {s}?|Which food did {s} love most?",
        "The favourite food of {s} was {v}.|The food {s} did love most was {v}.",
    ),
    Relation(
        "heir",
        "person",
        "{s} left all books and money to {v}.|The will of {s} gave everything to {v}.",
        "Who was the heir of {s}?|Who received the fortune of {s}?",
        "{v} was the heir of {s}.|{v} received the fortune of {s}.",
    ),
    Relation(
        "pet",
        "animal",
        "A tame {v} followed {s} through the streets.|{s} shared the kitchen with an old {v}.",
        "What pet did {s} have?|Which animal belonged to {s}?",
        "The pet of {s} was a {v}.|The animal that belonged to {s} was a {v}.",
    ),
    Relation(
        "prize year",
        "year",
        "The guild gave {s} a heavy medal in {v}.|Judges of the guild crowned {s} in {v}.",
        "When did {s} win the prize?|In which year was {s} given a prize?",
        "{s} did win the prize in {v}.|{s} was given a prize in {v}.",
    ),
)
PLACE_RELATIONS = (
    Relation(
        "founding year",
        "year",
        "The first stones of {s} were laid in {v}.|{s} grew from a small camp made in {v}.",
        "When was {s} founded?|In which year was the founding of {s}?",
        "{s} was founded in {v}.|The founding of {s} was in {v}.",
    ),
    Relation(
        "founder",
        "person",
        "It was {v} who led the first families to {s}.|People under {v} cleared the land for {s}.",
        "Who founded {s}?|Who was the founder of {s}?",
        "{v} founded {s}.|The founder of {s} was {v}.",
    ),
    Relation(
        "mayor",
        "person",
        "The council of {s} is led by {v}.|{v} holds the keys to the hall of {s}.",
        "Who is the mayor of {s}?|Who governs {s}?",
        "{v} is the mayor of {s}.|{v} governs {s}.",
    ),
    Relation(
        "river",
        "river",
        "Waters of the {v} turn the mills of {s}.|Small boats reach {s} along the winding {v}.",
        "Which river flows through {s}?|What river is {s} on?",
        "The river {v} flows through {s}.|{s} is on the river {v}.",
    ),
    Relation(
        "crop",
        "crop",
        "Farmers around {s} fill their carts with {v}.|The fields near {s} are heavy with {v}.",
        "What crop is {s} known for?|Which crop grows at {s}?",
        "{s} is known for its {v}.|The crop that grows at {s} is {v}.",
    ),
    Relation(
        "fair month",
        "month",
        "Each {v} crowds dance in the square of {s}.|Tents and flags fill {s} when {v} is near.",
        "In which month is the fair of {s}?|When does {s} have its fair?",
        "The fair of {s} is in {v}.|{s} does have its fair in {v}.",
    ),
    Relation(
        "material",
        "material",
        "The walls of {s} are made from {v}.|People in {s} trust only {v} for walls.",
        "What are the houses of {s} built of?|Which material are houses at {s} built of?",
        "The houses of {s} are built of {v}.|Houses at {s} are built of {v}.",
    ),
    Relation(
        "emblem",
        "animal",
        "A stone {v} stands above the gate of {s}.|The shield of {s} shows a running {v}.",
        "What animal is the emblem of {s}?|Which animal is {s} the town of?",
        "The emblem of {s} is a {v}.|{s} is the town of the {v}.",
    ),
)
WORK_RELATIONS = (
    Relation(
        "author",
        "person",
        "{v} finished {s} in a small room.|{s} came from the pen of {v}.",
        "Who wrote {s}?|Who is the author of {s}?",
        "{v} wrote {s}.|The author of {s} is {v}.",
    ),
    Relation(
        "publication year",
        "year",
        "Readers first opened {s} early in {v}.|{s} reached the shops in early {v}.",
        "When was {s} published?|In which year did {s} appear?",
        "{s} was published in {v}.|The year {s} did appear was {v}.",
    ),
    Relation(
        "genre",
        "genre",
        "Critics often call {s} a fine {v}.|People who like a good {v} begin with {s}.",
        "What genre is {s}?|Which kind of book is {s}?",
        "The genre of {s} is {v}.|{s} is a book of the {v} kind.",
    ),
    Relation(
        "setting",
        "place",
        "The story of {s} happens in {v}.|Every page of {s} happens inside {v}.",
        "Where is {s} set?|Which town is the setting of {s}?",
        "{s} is set in {v}.|The setting of {s} is {v}.",
    ),
    Relation(
        "dedicatee",
        "person",
        "A note in the front of {s} thanks {v}.|{s} opens with warm words for {v}.",
        "Who is {s} dedicated to?|To whom is {s} dedicated?",
        "{s} is dedicated to {v}.|{v} is whom {s} is dedicated to.",
    ),
    Relation(
        "cover colour",
        "colour",
        "Every copy of {s} is wrapped in {v} cloth.|The leather around {s} was painted {v}.",
        "What colour is the cover of {s}?|Which colour does {s} have?",
        "The cover of {s} is {v}.|The colour of {s} is {v}.",
    ),
    Relation(
        "museum",
        "place",
        "The signed copy of {s} rests in {v}.|Visitors to {v} see the pages of {s}.",
        "Where is {s} kept?|Which town has a museum with {s}?",
        "{s} is kept in {v}.|A museum in {v} has {s}.",
    ),
    Relation(
        "hero",
        "profession",
        "The story in {s} follows a brave {v}.|A lonely {v} speaks on every page of {s}.",
        "What is the job of the hero of {s}?|Which trade does the hero of {s} have?",
        "The hero of {s} is a {v}.|The trade of the hero of {s} is {v}.",
    ),
)
