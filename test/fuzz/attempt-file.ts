import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'

/**
 * The current input of a target's process, in a file that another process reads. A process that hangs or dies cannot report its input itself. Layout:
 * two doubles (number of attempts begun, bytes of the input), then the input.
 */
export class AttemptFile {
  readonly #file: number
  #attempts = 0

  constructor(path: string) {
    this.#file = openSync(path, 'w')
  }

  begin(input: Uint8Array): void {
    const header = new Float64Array([++this.#attempts, input.length])
    writeSync(this.#file, Buffer.concat([new Uint8Array(header.buffer), input]), 0, header.byteLength + input.length, 0)
  }

  close(): void {
    closeSync(this.#file)
  }

  static read(path: string): { readonly attempts: number; readonly input: Uint8Array } {
    const bytes = readFileSync(path)
    if (bytes.length < 16) return { attempts: 0, input: new Uint8Array() }
    return { attempts: bytes.readDoubleLE(0), input: bytes.subarray(16, 16 + bytes.readDoubleLE(8)) }
  }
}
