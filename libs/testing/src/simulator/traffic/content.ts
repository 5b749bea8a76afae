/** A gift of the simulated catalog. Type 1 gifts are sent as streaks; all names are invented or generic words. */
export interface GiftKind {
  id: number;
  name: string;
  diamonds: number;
  type: 1 | 2 | 4;
  weight: number;
}

export const GIFTS: readonly GiftKind[] = [
  { id: 5655, name: 'Rose', diamonds: 1, type: 1, weight: 40 },
  { id: 6064, name: 'Finger Heart', diamonds: 5, type: 1, weight: 14 },
  { id: 5879, name: 'Doughnut', diamonds: 30, type: 1, weight: 8 },
  { id: 5658, name: 'Perfume', diamonds: 20, type: 1, weight: 8 },
  { id: 7934, name: 'Paper Crane', diamonds: 99, type: 1, weight: 6 },
  { id: 8130, name: 'Ice Cream Cone', diamonds: 1, type: 1, weight: 12 },
  { id: 6267, name: 'Corgi', diamonds: 299, type: 2, weight: 3 },
  { id: 6427, name: 'Hat and Mustache', diamonds: 99, type: 2, weight: 4 },
  { id: 6090, name: 'Fireworks', diamonds: 1_088, type: 2, weight: 2 },
  { id: 9072, name: 'Paper Lantern', diamonds: 450, type: 4, weight: 2 },
  { id: 6369, name: 'Lighthouse', diamonds: 5_000, type: 2, weight: 0.5 },
  { id: 6149, name: 'Comet', diamonds: 15_000, type: 2, weight: 0.2 },
];

/** Creators of the demo: handle, name, title of their stream. All invented. */
export const DEMO_CREATORS: readonly { uniqueId: string; nickname: string; title: string }[] = [
  { uniqueId: 'luna.bakes', nickname: 'Luna Bakes 🧁', title: 'Midnight cinnamon rolls' },
  { uniqueId: 'dj_orbit', nickname: 'DJ Orbit', title: 'Vinyl requests all evening' },
  { uniqueId: 'kaito.sketch', nickname: 'カイト', title: '描いてみよう live drawing' },
  { uniqueId: 'salma_reads', nickname: 'Salma', title: 'قراءة معاً' },
  { uniqueId: 'pixel.pedro', nickname: 'Pixel Pedro', title: 'Speedrun con café' },
  { uniqueId: 'nora.on.ice', nickname: 'Nora', title: 'Morning skate, ask me anything' },
  { uniqueId: 'bao_kitchen', nickname: 'Bảo Kitchen', title: 'Phở from scratch' },
  { uniqueId: 'gita.garden', nickname: 'Gita 🌱', title: 'Balcony tomatoes, week 9' },
  { uniqueId: 'otto_fixes', nickname: 'Otto fixes it', title: 'Broken radios welcome' },
  { uniqueId: 'mira.moves', nickname: 'Mira', title: 'Stretch with me' },
  { uniqueId: 'chess_with_ivo', nickname: 'Иво', title: 'Blitz against chat' },
  { uniqueId: 'theo.trains', nickname: 'Théo', title: 'Model railway build' },
];

export const NICKNAMES: readonly string[] = [
  'Amara', 'Björk fan', 'Cleo 🐈', 'Dario', 'Élodie', 'Farid', 'Greta', 'Hana', 'Iñaki', 'Jonas', 'Kofi', 'Linnea', 'Matteo', 'Noor',
  'Océane', 'Pavel', 'Quinn', 'Rosa', 'Soren', 'Tuğba', 'Uma', 'Valentina', 'Wren', 'Ximena', 'Yusuf', 'Zoë', 'はるか', 'けんじ', '민준', '서연',
  '小雨', '阿明', 'Аня', 'Дмитро', 'مريم', 'يوسف', 'נועה', 'สมชาย', 'ปลา', 'दीपा', 'रवि', 'Ngọc', 'Thảo', 'Ελένη', 'moon🌙', '✨sparkle✨', 'just_a_fox 🦊',
]; // prettier-ignore

export const HANDLE_WORDS: readonly string[] = [
  'amber', 'birch', 'cobalt', 'dune', 'ember', 'fjord', 'gecko', 'hazel', 'indigo', 'juniper', 'kelp', 'lagoon', 'maple', 'nimbus', 'onyx',
  'pebble', 'quartz', 'raven', 'saffron', 'tundra', 'umber', 'velvet', 'willow', 'xenon', 'yarrow', 'zephyr', 'comet', 'drift', 'echo', 'flint',
]; // prettier-ignore

export const COMMENTS: readonly { text: string; language: string }[] = [
  { text: 'hello from Lisbon', language: 'en' },
  { text: 'first time here, what is going on', language: 'en' },
  { text: 'turn the volume up a little please', language: 'en' },
  { text: 'that was so good 👏👏👏', language: 'en' },
  { text: 'when is the next stream?', language: 'en' },
  { text: 'I have been waiting for this all week, my whole family is watching with me', language: 'en' },
  { text: 'lol', language: 'un' },
  { text: '❤️❤️❤️', language: 'un' },
  { text: '😂😂', language: 'un' },
  { text: 'hola desde Bogotá', language: 'es' },
  { text: '¿cómo se llama la canción?', language: 'es' },
  { text: 'qué bonito te queda', language: 'es' },
  { text: 'oi, tudo bem?', language: 'pt' },
  { text: 'manda um salve pra Recife', language: 'pt' },
  { text: 'bonsoir tout le monde', language: 'fr' },
  { text: 'trop beau ce que tu fais', language: 'fr' },
  { text: 'wie lange noch?', language: 'de' },
  { text: 'Grüße aus Köln', language: 'de' },
  { text: 'こんばんは！', language: 'ja' },
  { text: '初見です、よろしくお願いします', language: 'ja' },
  { text: '안녕하세요 처음 왔어요', language: 'ko' },
  { text: '好厉害啊', language: 'zh' },
  { text: '第一次來看直播', language: 'zh' },
  { text: 'привет из Казани', language: 'ru' },
  { text: 'как это работает?', language: 'ru' },
  { text: 'السلام عليكم', language: 'ar' },
  { text: 'ما شاء الله', language: 'ar' },
  { text: 'สวัสดีค่ะ', language: 'th' },
  { text: 'xin chào mọi người', language: 'vi' },
  { text: 'नमस्ते', language: 'hi' },
  { text: 'selam herkese', language: 'tr' },
  { text: 'שלום לכולם', language: 'he' },
  { text: '"quoted" <b>not bold</b> & \\backslash\\', language: 'en' },
];

export const QUESTIONS: readonly string[] = [
  'how did you learn this?',
  'what camera do you use?',
  '¿cuál es tu favorito?',
  'どこで買えますか？',
  'will there be a part two?',
];

export const CAPTIONS: readonly string[] = [
  'so the trick is to go slowly',
  'thank you all for the roses',
  'let me show you that again',
  'we are almost there',
];

export const POLL_OPTIONS: readonly string[] = ['yes', 'no', 'ask me later'];
export const GOALS: readonly string[] = ['One thousand roses', 'Paper cranes for the wall', 'New microphone'];
