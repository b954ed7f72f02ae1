/** A bee that returns each message, for the benchmark of channels. */
export const echoBee = (form: 'json' | 'binary', channel: 'stdio' | 'socket') => `
import { connect } from 'node:net'
const channel = ${channel === 'socket' ? 'connect(process.env.WAGGLE_BEE_SOCKET)' : 'null'}
const [input, output] = channel === null ? [process.stdin, process.stdout] : [channel, channel]
output.write('{"waggle": 1, "form": "${form}"}\\n')
let chunks = []
let length = 0
input.on('data', (chunk) => {
  chunks.push(chunk)
  length += chunk.length
  ${form === 'json' ? lines : frames}
})
input.on('end', () => process.exit(0))
`

const lines = `if (!chunk.includes(10)) return
  const all = Buffer.concat(chunks)
  let start = 0
  for (let end = all.indexOf(10); end >= 0; start = end + 1, end = all.indexOf(10, start)) {
    const { id, content_type, base64 } = JSON.parse(all.subarray(start, end))
    output.write(JSON.stringify({ id, content_type, base64 }) + '\\n')
  }
  chunks = [all.subarray(start)]
  length = chunks[0].length`

const frames = `while (length >= 8) {
    if (chunks[0].length < 8) chunks = [Buffer.concat(chunks)]
    const end = 8 + chunks[0].readUInt32LE(0) + chunks[0].readUInt32LE(4)
    if (length < end) return
    if (chunks.length > 1) chunks = [Buffer.concat(chunks)]
    const all = chunks[0]
    const headEnd = 8 + all.readUInt32LE(0)
    const { id, content_type, at, length: bytes } = JSON.parse(all.subarray(8, headEnd))
    const head = Buffer.from(JSON.stringify({ id, content_type, at, length: bytes }))
    const lengths = Buffer.alloc(8)
    lengths.writeUInt32LE(head.length, 0)
    lengths.writeUInt32LE(end - headEnd, 4)
    output.cork()
    for (const piece of [lengths, head, all.subarray(headEnd, end)]) output.write(piece)
    output.uncork()
    chunks = [all.subarray(end)]
    length = chunks[0].length
  }`

/** A program that writes all bytes from the channel back to the channel. */
export const bareEcho = (channel: 'stdio' | 'socket') =>
  channel === 'socket'
    ? `import { connect } from 'node:net'\nconst channel = connect(process.env.WAGGLE_BEE_SOCKET)\nchannel.pipe(channel)\nchannel.on('close', () => process.exit(0))`
    : `process.stdin.pipe(process.stdout)`

export const pythonEcho = `
import time
from waggle import register_bee

@register_bee(name="echo")
def echo(payload):
    return {"cpu_seconds": time.process_time()} if payload == "cpu" else payload

@register_bee(name="busy")
def busy(payload):
    total = 0
    for number in range(200_000):
        total += number * number
    return total
`

/** A bee that returns each array. */
export const arrayEcho = `
import time
import numpy
from waggle import register_bee

@register_bee(name="array")
def array(payload):
    return payload if isinstance(payload, numpy.ndarray) else {"cpu_seconds": time.process_time()}
`

/** A Python program with the least possible work: it reads a frame from the socket, touches the bytes without a copy, and writes them back. */
export const barePython = bareProgram('memoryview(body)')

/** The same program for arrays: it makes an array from the bytes without a copy, and writes the memory of the array back. */
export const bareArrays = bareProgram('numpy.frombuffer(body, dtype="<f4").data.cast("B")', 'import numpy\n')

function bareProgram(view: string, imports = ''): string {
  return `
${imports}import os, socket, struct, sys, time
channel = socket.socket(socket.AF_UNIX)
channel.connect(os.environ["WAGGLE_BEE_SOCKET"])
stream = channel.makefile("rb", buffering=1 << 18)
while True:
    head = stream.read(8)
    if len(head) < 8:
        break
    size, kind = struct.unpack("<II", head)
    body = bytearray(size)
    stream.readinto(body)
    if kind == 1:
        channel.sendall(struct.pack("<IId", 8, kind, time.process_time()))
        continue
    view = ${view}
    channel.sendall(struct.pack("<II", len(view), kind))
    channel.sendall(view)
`
}
