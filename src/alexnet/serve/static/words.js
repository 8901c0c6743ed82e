// What the page says, in two languages.

import { keep, recall } from "./kept.js";

const english = {
  skip: "To the picture",
  dark: "Dark theme",
  light: "Light theme",
  picture: "A picture",
  drop: "Drop a picture here, or paste one.",
  choose: "Choose a picture",
  camera: "Use the camera",
  examples: "Or one of these:",
  guesses: "What the network sees",
  averaged: "It looks at",
  one: "the centre",
  ten: "ten views, averaged",
  heat: "Where it looks",
  class: "Class",
  opacity: "Heat",
  method: "Method",
  occlusion: "a gray patch (slower)",
  tenTitle: "The ten views",
  tenNote: "Four corners and the centre, and their mirrors, each with its likeliest class.",
  walk: "A walk through the layers",
  back: "Back",
  next: "Next",
  noMaps: "Choose a picture to see what this layer makes of it.",
  kernels: "The first layer's kernels",
  near: "Nearest pictures",
  stays: "Pictures go to this server and to nobody else; it keeps none.",
  api: "The API, for programs",
  shoot: "Take the picture",
  close: "Close",

  network: ({ lineage, classes, size }) => `${lineage}: ${classes} classes, ${size} × ${size} pixels`,
  example: ({ name }) => ({ chelsea: "a cat", coffee: "coffee", rocket: "a rocket" })[name] ?? name,
  likeliest: "Likeliest",
  every: "All classes",
  heatSaid: ({ kind, label }) =>
    kind === "heatmap" ? `Yellow speaks for ${label}.` : `Where a gray patch is yellow, ${label} loses most.`,
  heatNone: ({ label }) => `Nothing here speaks for ${label}.`,
  mirrored: "mirrored",
  places: ["top left", "top right", "bottom left", "bottom right", "centre"],
  shape: ({ shape }) => shape.join(" × "),
  conv: ({ kernels, side, depth, stride, groups }) =>
    `${kernels} kernels of ${side} × ${side} × ${depth} move over what comes before` +
    (stride > 1 ? `, ${stride} pixels at a time` : "") +
    (groups > 1 ? `, in ${groups} towers that do not see each other` : "") +
    ".",
  local: ({ kernels, side, depth }) =>
    `${kernels} maps from windows of ${side} × ${side} × ${depth}, other weights at each place.`,
  fc: ({ inputs, outputs }) => `Each of ${outputs} numbers is a sum over all ${inputs} before it.`,
  last: "One number for each class; softmax turns them into probabilities.",
  weights: ({ params, macs }) => `${params} parameters, ${macs} multiply-adds.`,
  gap: " ", // between sentences
  then: ({ rows }) => `Then ${rows.join("; ")}.`,
  rows: {
    LRN: "normalised among neighbours",
    "spatial LRN": "normalised within a map",
    pool: "pooled",
    "avg pool": "averaged",
    activation: "rectified",
  },
  maps: ({ shown, all, zeros }) =>
    `The ${shown} strongest of ${all} maps, brighter is more. ${zeros} of the layer is 0.`,
  numbers: ({ all, zeros }) => `All ${all} numbers, row by row, brighter is more. ${zeros} of them are 0.`,
  map: ({ index }) => `map ${index}`,
  kernelsNote: ({ layer }) => `What ${layer} looks for, learnt from labelled pictures; gray is zero.`,
  tower: ({ number, kernels, share }) => `Tower ${number}: ${kernels} kernels, ${share} of them is colour`,
  nearNote: ({ pictures, layer }) => `Among ${pictures} pictures of this server, by distance in ${layer}.`,
  distance: ({ distance }) => `distance ${distance}`,
  rank: ({ rank }) => `no. ${rank}`,
  gone: "no longer there",

  working: "Looking …",
  waiting: "The server is busy; waiting for a turn …",
  done: ({ top }) => `Done. ${top}`,
  noPicture: "That is no picture. Choose a JPEG, PNG or WebP file.",
  noCamera: "The camera could not be opened. Allow it in the browser, or choose a file.",
  another: "Choose another.",
  unreachable: "The server does not answer. Is it still running?",
  status: {
    408: "The picture took too long to arrive. Try again, or take a smaller one.",
    413: "The picture is too large. Make it smaller and try again.",
    422: null, // the server's own words say what is wrong with it
    503: "Too many pictures are waiting. Try again in a moment.",
  },
  failed: ({ status }) => `The server could not answer (${status}). Its log says why.`,
};

const chinese = {
  skip: "跳到图片",
  dark: "深色主题",
  light: "浅色主题",
  picture: "图片",
  drop: "把图片拖到这里，或直接粘贴。",
  choose: "选择图片",
  camera: "使用摄像头",
  examples: "或试试这些：",
  guesses: "网络看到了什么",
  averaged: "观察范围",
  one: "中央",
  ten: "十个视图取平均",
  heat: "网络在看哪里",
  class: "类别",
  opacity: "热图",
  method: "方法",
  occlusion: "灰块遮挡（较慢）",
  tenTitle: "十个视图",
  tenNote: "四角、中央及其镜像，每个视图下面是它最可能的类别。",
  walk: "逐层走一遍",
  back: "上一层",
  next: "下一层",
  noMaps: "选择一张图片，看看这一层把它变成了什么。",
  kernels: "第一层的卷积核",
  near: "最相似的图片",
  stays: "图片只发送到这台服务器，不会外传，也不会保存。",
  api: "供程序使用的 API",
  shoot: "拍照",
  close: "关闭",

  network: ({ lineage, classes, size }) => `${lineage}：${classes} 个类别，${size} × ${size} 像素`,
  example: ({ name }) => ({ chelsea: "猫", coffee: "咖啡", rocket: "火箭" })[name] ?? name,
  likeliest: "最可能的",
  every: "全部类别",
  heatSaid: ({ kind, label }) =>
    kind === "heatmap" ? `黄色处支持“${label}”。` : `灰块盖住黄色处时，“${label}”的概率下降最多。`,
  heatNone: ({ label }) => `这里没有支持“${label}”的地方。`,
  mirrored: "镜像",
  places: ["左上", "右上", "左下", "右下", "中央"],
  shape: ({ shape }) => shape.join(" × "),
  conv: ({ kernels, side, depth, stride, groups }) =>
    `${kernels} 个 ${side} × ${side} × ${depth} 的卷积核在前一层上滑动` +
    (stride > 1 ? `，步长 ${stride}` : "") +
    (groups > 1 ? `，分成 ${groups} 个互不相通的塔` : "") +
    "。",
  local: ({ kernels, side, depth }) => `${kernels} 张特征图，窗口 ${side} × ${side} × ${depth}，各处权重不同。`,
  fc: ({ inputs, outputs }) => `${outputs} 个数，每个都是前面 ${inputs} 个数的加权和。`,
  last: "每个类别一个数，softmax 把它们变成概率。",
  weights: ({ params, macs }) => `${params} 个参数，${macs} 次乘加。`,
  gap: "",
  then: ({ rows }) => `随后：${rows.join("；")}。`,
  rows: { LRN: "跨通道归一化", "spatial LRN": "图内归一化", pool: "池化", "avg pool": "平均池化", activation: "激活" },
  maps: ({ shown, all, zeros }) => `${all} 张特征图中最强的 ${shown} 张，越亮越大。该层 ${zeros} 的数为 0。`,
  numbers: ({ all, zeros }) => `全部 ${all} 个数，逐行排列，越亮越大。其中 ${zeros} 为 0。`,
  map: ({ index }) => `特征图 ${index}`,
  kernelsNote: ({ layer }) => `${layer} 在找什么：从带标签的图片中学来；灰色为零。`,
  tower: ({ number, kernels, share }) => `塔 ${number}：${kernels} 个卷积核，颜色占 ${share}`,
  nearNote: ({ pictures, layer }) => `在这台服务器的 ${pictures} 张图片中，按 ${layer} 中的距离。`,
  distance: ({ distance }) => `距离 ${distance}`,
  rank: ({ rank }) => `第 ${rank} 名`,
  gone: "已不存在",

  working: "正在看……",
  waiting: "服务器正忙，排队中……",
  done: ({ top }) => `完成。${top}`,
  noPicture: "这不是图片。请选择 JPEG、PNG 或 WebP 文件。",
  noCamera: "无法打开摄像头。请在浏览器中允许，或选择文件。",
  another: "请另选一个。",
  unreachable: "服务器没有回应。它还在运行吗？",
  status: {
    408: "图片传得太慢。请重试，或换一张小一点的。",
    413: "图片太大。请缩小后再试。",
    422: "无法读取这个文件：它不是图片，或已损坏。",
    503: "等待的图片太多。请稍后再试。",
  },
  failed: ({ status }) => `服务器无法回答（${status}）。原因见其日志。`,
};

const languages = { en: english, zh: chinese };
const preferred = (navigator.languages ?? [navigator.language])
  .map((tag) => tag.slice(0, 2))
  .find((tag) => tag in languages);
let language = recall("language") ?? preferred ?? "en";
if (!(language in languages)) language = "en";

export const current = () => language;

export function choose(next) {
  language = next;
  keep("language", next);
}

export function say(key, facts) {
  const words = languages[language][key];
  return typeof words === "function" ? words(facts) : words;
}

export const number = (value, digits = 0) => value.toLocaleString(language, { maximumFractionDigits: digits });
export const percent = (share, digits = 1) => `${(100 * share).toFixed(digits)} %`;
