/** A whole number from 0 on as a varint of Kafka's protocol: zigzag, seven bits a byte, lowest bits first. */
export function zigzagVarint(value: number): readonly number[] {
  const bytes: number[] = []
  for (let left = value * 2; ; left = Math.floor(left / 128)) {
    if (left < 128) return [...bytes, left]
    bytes.push((left % 128) + 128)
  }
}
