// msgpack, as far as protocol 1 needs it: maps with text keys, lists, text, bytes, numbers, nil.

const text = new TextDecoder("utf-8", { fatal: true });
const utf8 = new TextEncoder();

class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = 0;
  }

  take(count) {
    const from = this.at;
    this.at += count;
    if (this.at > this.bytes.length) throw new RangeError("a message ends too early");
    return from;
  }

  uint(width) {
    const at = this.take(width);
    if (width === 1) return this.view.getUint8(at);
    if (width === 2) return this.view.getUint16(at);
    if (width === 4) return this.view.getUint32(at);
    return Number(this.view.getBigUint64(at));
  }

  int(width) {
    const at = this.take(width);
    if (width === 1) return this.view.getInt8(at);
    if (width === 2) return this.view.getInt16(at);
    if (width === 4) return this.view.getInt32(at);
    return Number(this.view.getBigInt64(at));
  }

  string(length) {
    const at = this.take(length);
    return text.decode(this.bytes.subarray(at, at + length));
  }

  binary(length) {
    const at = this.take(length);
    return this.bytes.slice(at, at + length);
  }

  list(length) {
    const values = [];
    for (let i = 0; i < length; i++) values.push(this.value());
    return values;
  }

  map(length) {
    // Without a prototype: a class may be called "constructor".
    const values = Object.create(null);
    for (let i = 0; i < length; i++) {
      const key = this.value();
      values[key] = this.value();
    }
    return values;
  }

  value() {
    const tag = this.uint(1);
    if (tag < 0x80) return tag;
    if (tag < 0x90) return this.map(tag & 0x0f);
    if (tag < 0xa0) return this.list(tag & 0x0f);
    if (tag < 0xc0) return this.string(tag & 0x1f);
    if (tag >= 0xe0) return tag - 0x100;
    switch (tag) {
      case 0xc0: return null;
      case 0xc2: return false;
      case 0xc3: return true;
      case 0xc4: case 0xc5: case 0xc6: return this.binary(this.uint(1 << (tag - 0xc4)));
      case 0xca: return this.view.getFloat32(this.take(4));
      case 0xcb: return this.view.getFloat64(this.take(8));
      case 0xcc: case 0xcd: case 0xce: case 0xcf: return this.uint(1 << (tag - 0xcc));
      case 0xd0: case 0xd1: case 0xd2: case 0xd3: return this.int(1 << (tag - 0xd0));
      case 0xd9: case 0xda: case 0xdb: return this.string(this.uint(1 << (tag - 0xd9)));
      case 0xdc: case 0xdd: return this.list(this.uint(2 << (tag - 0xdc)));
      case 0xde: case 0xdf: return this.map(this.uint(2 << (tag - 0xde)));
      default: throw new RangeError(`0x${tag.toString(16)} begins nothing that is used here`);
    }
  }
}

/** All values in `bytes`, which lie there back to back. */
export function decodeAll(bytes) {
  const reader = new Reader(bytes);
  const values = [];
  while (reader.at < bytes.length) values.push(reader.value());
  return values;
}

function head(out, length, small, limit, tags) {
  // `tags` are for lengths in 1, 2 and 4 bytes; where there is none for 1 byte it is null.
  if (length < limit) out.push(small | length);
  else if (length < 0x100 && tags[0] !== null) out.push(tags[0], length);
  else if (length < 0x10000) out.push(tags[1], length >> 8, length & 0xff);
  else out.push(tags[2], (length >>> 24) & 0xff, (length >>> 16) & 0xff, (length >>> 8) & 0xff, length & 0xff);
}

function number(out, value) {
  if (Number.isInteger(value) && value >= 0 && value < 0x80) return void out.push(value);
  if (Number.isInteger(value) && value < 0 && value >= -0x20) return void out.push(value + 0x100);
  const bytes = new Uint8Array(9);
  const view = new DataView(bytes.buffer);
  if (Number.isSafeInteger(value)) {
    bytes[0] = 0xd3;
    view.setBigInt64(1, BigInt(value));
  } else {
    bytes[0] = 0xcb;
    view.setFloat64(1, value);
  }
  out.push(...bytes);
}

function write(out, value) {
  if (value === null || value === undefined) out.push(0xc0);
  else if (value === false) out.push(0xc2);
  else if (value === true) out.push(0xc3);
  else if (typeof value === "number") number(out, value);
  else if (typeof value === "string") {
    const bytes = utf8.encode(value);
    head(out, bytes.length, 0xa0, 0x20, [0xd9, 0xda, 0xdb]);
    for (const byte of bytes) out.push(byte);
  } else if (value instanceof Uint8Array) {
    head(out, value.length, 0, 0, [0xc4, 0xc5, 0xc6]);
    for (const byte of value) out.push(byte);
  } else if (Array.isArray(value)) {
    head(out, value.length, 0x90, 0x10, [null, 0xdc, 0xdd]);
    for (const item of value) write(out, item);
  } else {
    const entries = Object.entries(value);
    head(out, entries.length, 0x80, 0x10, [null, 0xde, 0xdf]);
    for (const [key, item] of entries) {
      write(out, key);
      write(out, item);
    }
  }
}

/** One value as bytes. */
export function encode(value) {
  const out = [];
  write(out, value);
  return Uint8Array.from(out);
}
