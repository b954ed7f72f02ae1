import { Refused } from 'waggle-streams'

/** The input of magika's model (standard_v3_3): the first and the last bytes of a text, without white space around it, as numbers from 0 to 255. */
export default function tokens(input: unknown) {
  const bytes = bytesOf(input)
  const isSpace = (at: number) => spaces.has(bytes[at] ?? -1)
  let begin = 0
  let end = bytes.length
  while (begin < end && isSpace(begin)) begin++
  while (end > begin && isSpace(end - 1)) end--
  if (end - begin < leastBytes) throw new Refused(`The text has ${end - begin} bytes; the model needs ${leastBytes}`)
  const data = new Int32Array(2 * side).fill(padding)
  data.set(bytes.subarray(begin, Math.min(end, begin + side)))
  const tail = bytes.subarray(Math.max(begin, end - side), end)
  data.set(tail, data.length - tail.length)
  return { tensors: { bytes: { datatype: 'INT32', shape: [data.length], data } } }
}

function bytesOf(input: unknown): Uint8Array {
  if (input instanceof Uint8Array) return input
  if (input !== null && typeof input === 'object' && 'text' in input && typeof input.text === 'string') return Buffer.from(input.text)
  throw new Refused('Send a text with the content type text/plain, or {"text": "…"}')
}

const side = 1024
const padding = 256
const leastBytes = 8
/** The white space of Python's bytes.strip, with which the model was trained. */
const spaces = new Set(Buffer.from(' \t\n\r\v\f'))
