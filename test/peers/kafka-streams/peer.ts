import type { ChildProcess } from 'node:child_process'
import { createInterface, type Interface } from 'node:readline'
import { spawnEnding } from '../../../ops/bench/ending-child.ts'
import { partitionOf, type Ran } from './run.ts'
import type { Example } from './steps.ts'

/** Kafka Streams in a Java process of its own. */
export class Peer {
  readonly #java: ChildProcess
  readonly #lines: Interface
  readonly #gone: Promise<void>
  readonly #waiting: ((line: string) => void)[] = []

  constructor({ libs, classes }: { readonly libs: string; readonly classes: string }) {
    this.#java = spawnEnding('java', ['-XX:+UseSerialGC', '-Xmx512m', '-cp', `${classes}:${libs}/*`, 'Peer'], { stdio: ['pipe', 'pipe', 'ignore'] })
    this.#gone = new Promise((resolve) => this.#java.once('exit', () => resolve()))
    this.#lines = createInterface(this.#java.stdout as NodeJS.ReadableStream)
    this.#lines.on('line', (line) => this.#waiting.shift()?.(line))
  }

  async run(example: Example): Promise<Ran> {
    const records = example.records.map((record) => ({ ...record, partition: partitionOf(record.key, example.partitions) }))
    const line = await new Promise<string>((resolve, reject) => {
      this.#waiting.push(resolve)
      void this.#gone.then(() => reject(new Error('Java has ended')))
      this.#java.stdin?.write(`${JSON.stringify({ ...example, records })}\n`)
    })
    const answer = JSON.parse(line) as Ran & { readonly error?: string }
    if (answer.error !== undefined) throw new Error(`Kafka Streams: ${answer.error}`)
    return answer
  }

  close(): void {
    this.#java.stdin?.end()
    this.#java.kill()
  }
}
