import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, describe, it } from 'node:test'
import type { Worker } from 'node:worker_threads'
import { ThreadedModels } from '../../../connectors/models/threaded-models.ts'
import { smallModel } from '../../../ops/bench/small-model.ts'
import type { ModelRow, OpenModel, PictureFit } from '../../../topology/swarm/ports/models.ts'
import { Refused, WaggleError } from '../../../topology/waggle-error.ts'
import { exportsDirectory } from '../../support/exported-models.ts'

const teddy = resolve(import.meta.dirname, '..', '..', '..', 'swarms', 'teddy-bear-detector', 'models')

describe('A model in its own thread', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-models-'))
  after(() => rmSync(directory, { recursive: true }))
  const { signal } = new AbortController()

  function open(path: string, { fit = {}, gpu = 0, requireGpu = false, lines = [] as string[], ...limits }: Options = {}): Promise<OpenModel> {
    const runtime = path.endsWith('.pb') ? 'tensorflow' : 'onnx'
    return new ThreadedModels({ requireGpu, ...limits }).open({ path, runtime, gpu, fit, log: (level, line) => lines.push(`${level} ${line}`) })
  }

  interface Options {
    readonly fit?: PictureFit
    readonly gpu?: number
    readonly requireGpu?: boolean
    readonly lines?: string[]
    readonly openingMs?: number
    readonly graceMs?: number
  }

  function file(name: string, bytes: Uint8Array): string {
    const path = join(directory, name)
    writeFileSync(path, bytes)
    return path
  }

  function rejectsWith(opening: Promise<OpenModel>, code: string, said: RegExp): Promise<void> {
    return assert.rejects(opening, (error: unknown) => {
      assert.ok(error instanceof WaggleError, String(error))
      assert.equal(error.code, code)
      assert.match(error.message, said)
      assert.ok(error.next.length > 0)
      return true
    })
  }

  it('returns to each call the results of its own rows, regardless of the number of calls in flight', async () => {
    const features = 20_000
    const model = await open(file('wide.onnx', smallModel({ features, labels: 2 })))
    const row = (heavy: number): ModelRow => ({
      kind: 'tensors',
      tensors: [
        { shape: [features], data: Float32Array.from({ length: features }, (_, at) => (Math.floor((at * 2) / features) === heavy ? 0.001 : 0)) },
      ],
    })
    const calls = Array.from({ length: 40 }, (_, at) => (at * 7) % 2)
    const results = await Promise.all(calls.map((heavy) => model.run([row(heavy), row(1 - heavy)], signal)))
    results.forEach((rows, at) => {
      const best = rows.map(({ outputs }) => {
        const values = (outputs.probabilities?.values ?? []).map(Number)
        return values.indexOf(Math.max(...values))
      })
      assert.deepEqual(best, [calls[at], 1 - (calls[at] ?? 0)], `call ${at}`)
    })
    await model.close()
  })

  it('refuses a word or a number that the model has not learned, and runs the next row', async () => {
    const pipeline = readFileSync(join(exportsDirectory, 'sklearn-pipeline-tensors.onnx'))
    // The export has handle_unknown='ignore', which is zeros = 1. Without it zeros is 0.
    pipeline[pipeline.indexOf('zeros') + 'zeros'.length + 1] = 0
    const strict = file('strict.onnx', pipeline)
    for (const [path, text, number] of [
      [strict, 'a word', 1n],
      [join(exportsDirectory, 'torch-sentence.onnx'), '', 9_999_999n],
    ] as const) {
      const model = await open(path)
      const row = (word: string, id: bigint): ModelRow => {
        const data = { BYTES: [word], INT64: BigInt64Array.of(id), FP32: Float32Array.of(1), BOOL: Uint8Array.of(1) }
        return { kind: 'tensors', tensors: model.signature.rows.map(({ datatype }) => ({ shape: [1], data: data[datatype as keyof typeof data] })) }
      }
      try {
        await assert.rejects(
          model.run([row(text, number)], signal),
          (error) => error instanceof Refused && /that the model knows$/.test(error.message),
        )
        assert.equal((await model.run([row('male', 1n)], signal)).length, 1)
      } finally {
        await model.close()
      }
    }
  })

  it('reads the size and layout of its pictures from its signature', async () => {
    for (const [name, shape] of [
      ['teddy-bear-detector.onnx', [-1, 3, 224, 224]],
      ['teddy-bear-detector.pb', [-1, 224, 224, 3]],
    ] as const) {
      const model = await open(join(teddy, name))
      assert.deepEqual(model.signature.inputs[0]?.shape, shape)
      const white: ModelRow = { kind: 'picture', height: 256, width: 300, pixels: new Uint8Array(256 * 300 * 3).fill(255) }
      const [result] = await model.run([white], signal)
      const [bear = 0, other = 0] = (result?.outputs.probabilities?.values ?? []).map(Number)
      assert.ok(Math.abs(bear + other - 1) < 1e-3)
      await model.close()
    }
  })

  it('resizes a picture for an 8-bit input, and no value wraps around', async () => {
    const model = await open(join(exportsDirectory, 'graph-picture.onnx'))
    // White lines beside black lines: the filter overshoots at their edges.
    const lines = Uint8Array.from({ length: 16 * 16 * 3 }, (_, at) => (Math.floor(at / (16 * 3)) % 16 < 8 ? 255 : 0))
    const [same, fitted] = await model.run(
      [
        { kind: 'picture', height: 2, width: 2, pixels: Uint8Array.from([255, 0, 10, 255, 0, 20, 255, 0, 30, 255, 0, 40]) },
        { kind: 'picture', height: 16, width: 16, pixels: lines },
      ],
      signal,
    )
    assert.deepEqual(same?.outputs.sums?.values, [1020, 0, 100])
    for (const sum of fitted?.outputs.sums?.values ?? []) assert.ok(Math.abs(Number(sum) - 510) <= 4, String(sum))
    await model.close()
  })

  it('runs on the CPU with a warning if a preferred GPU is missing, and refuses to start if a required GPU is missing', async () => {
    const path = file('small.onnx', smallModel({ features: 8, labels: 2 }))
    const lines: string[] = []
    const model = await open(path, { gpu: 1, lines })
    assert.match(model.device, /cpu$/)
    assert.ok(
      lines.some((line) => line.startsWith('warn ')),
      lines.join(),
    )
    await model.close()
    await rejectsWith(open(path, { gpu: 1, requireGpu: true }), 'WAGGLE_GPU_MISSING', /asks for a GPU and none can be used: .*tensorrt.*cuda/)
  })

  it('fails with the file’s name if its file is missing', async () => {
    await rejectsWith(open(join(directory, 'nowhere.pb')), 'WAGGLE_MODEL_NOT_FOUND', /nowhere\.pb/)
    await rejectsWith(open(join(directory, 'nowhere.onnx')), 'WAGGLE_MODEL_NOT_FOUND', /nowhere\.onnx/)
  })

  it('refuses a truncated file and a file of another kind', async () => {
    for (const name of ['teddy-bear-detector.onnx', 'teddy-bear-detector.pb']) {
      const whole = readFileSync(join(teddy, name))
      const cut = file(`cut-${name}`, whole.subarray(0, Math.floor(whole.length / 2)))
      await rejectsWith(open(cut), 'WAGGLE_MODEL_INVALID', /cut-/)
      await rejectsWith(open(file(`text-${name}`, Buffer.from('this is no model'))), 'WAGGLE_MODEL_INVALID', /text-/)
    }
  })

  it('is refused with the way to export it if it is a TensorFlow graph with variables', async () => {
    // A GraphDef with one node of the operator VarHandleOp.
    const graph = Buffer.concat([Buffer.from([0x0a, 16, 0x0a, 1]), Buffer.from('v'), Buffer.from([0x12, 11]), Buffer.from('VarHandleOp')])
    await rejectsWith(open(file('variables.pb', graph)), 'WAGGLE_MODEL_INVALID', /has variables, whose values lie in files beside it/)
  })

  it('fails with the names of both shapes if the shape of an input does not fit', async () => {
    const fit = { resize: [200, 200] } as const
    await rejectsWith(open(join(teddy, 'teddy-bear-detector.onnx'), { fit }), 'WAGGLE_MODEL_SHAPE', /224.*200/)
  })

  it('fails a call whose row is too short, and answers the next call', async () => {
    const model = await open(file('rows.onnx', smallModel({ features: 8, labels: 2 })))
    const good: ModelRow = { kind: 'tensors', tensors: [{ shape: [8], data: new Float32Array(8).fill(0.1) }] }
    const short: ModelRow = { kind: 'tensors', tensors: [{ shape: [1], data: new Float32Array(1) }] }
    const [first, failed, last] = await Promise.allSettled([model.run([good], signal), model.run([short], signal), model.run([good], signal)])
    assert.equal(failed.status, 'rejected')
    assert.equal(failed.reason.code, 'WAGGLE_MODEL_FAILED')
    assert.ok(first.status === 'fulfilled' && last.status === 'fulfilled')
    assert.deepEqual(first.value, last.value)
    await model.close()
  })

  it('fails the calls in flight if its thread dies, and answers the next call from a new thread', async () => {
    const threads: Worker[] = []
    const seen = (thread: Worker) => threads.push(thread)
    process.on('worker', seen)
    const lines: string[] = []
    const bytes = smallModel({ features: 8, labels: 2 })
    const path = file('dies.onnx', bytes)
    const model = await open(path, { lines })
    const good: ModelRow = { kind: 'tensors', tensors: [{ shape: [8], data: new Float32Array(8).fill(0.1) }] }
    const wanted = await model.run([good], signal)

    // The thread is terminated while this call is in flight.
    const exited = threads[0]?.terminate()
    const inFlight = model.run([good], signal)
    await assert.rejects(inFlight, /dies\.onnx failed: it ended with/)
    await exited
    assert.deepEqual(await model.run([good], signal), wanted)

    // The file is missing when the thread starts again, so calls fail. The first call after the file is back gets an answer.
    rmSync(path)
    await threads[1]?.terminate()
    await assert.rejects(model.run([good], signal))
    file('dies.onnx', bytes)
    assert.deepEqual(await model.run([good], signal), wanted)
    assert.ok(threads.length <= 5, `${threads.length} threads`)
    process.off('worker', seen)
    await model.close()
  })

  it('is restarted only from a file with its former signature', async () => {
    const threads: Worker[] = []
    const seen = (thread: Worker) => threads.push(thread)
    process.on('worker', seen)
    const bytes = smallModel({ features: 8, labels: 2 })
    const path = file('replaced.onnx', bytes)
    const model = await open(path)
    process.off('worker', seen)
    const row: ModelRow = { kind: 'tensors', tensors: [{ shape: [8], data: new Float32Array(8).fill(0.1) }] }
    const wanted = await model.run([row], signal)
    file('replaced.onnx', smallModel({ features: 8, labels: 3 }))
    await threads[0]?.terminate()
    await assert.rejects(model.run([row], signal), {
      code: 'WAGGLE_MODEL_SHAPE',
      message: /replaced\.onnx has other inputs, outputs or labels than when it was opened/,
    })
    file('replaced.onnx', bytes)
    assert.deepEqual(await model.run([row], signal), wanted)
    await model.close()
  })

  it('is refused if it does not open in time, and its thread is ended', async () => {
    const exited = new Promise((resolve) => process.once('worker', (thread) => thread.once('exit', resolve)))
    await rejectsWith(open(join(teddy, 'teddy-bear-detector.onnx'), { openingMs: 1 }), 'WAGGLE_MODEL_INVALID', /did not open within 0\.001 s/)
    await exited
  })

  it('is refused with the cause if its thread runs out of memory', async () => {
    const error = Object.assign(new Error('Worker terminated due to reaching memory limit'), { code: 'ERR_WORKER_OUT_OF_MEMORY' })
    process.once('worker', (thread) => {
      thread.once('online', () => {
        thread.emit('error', error)
        void thread.terminate()
      })
    })
    await rejectsWith(
      open(join(teddy, 'teddy-bear-detector.onnx')),
      'WAGGLE_MODEL_INVALID',
      /cannot be loaded: Worker terminated due to reaching memory/,
    )
  })

  it('ends a thread that still computes after its call’s time has passed, and answers the next call from a new thread', async () => {
    const lines: string[] = []
    const model = await open(join(teddy, 'teddy-bear-detector.onnx'), { lines, graceMs: 1 })
    const white: ModelRow = { kind: 'picture', height: 256, width: 300, pixels: new Uint8Array(256 * 300 * 3).fill(255) }
    const controller = new AbortController()
    const blocked = model.run(Array<ModelRow>(100).fill(white), controller.signal)
    // The row reaches the thread before the signal aborts.
    setImmediate(() => controller.abort())
    await assert.rejects(blocked, /failed: it computed on for 0\.001 s after its time was over/)
    assert.ok(
      lines.some((line) => /died \(it computed on for .* is started again/.test(line)),
      lines.join(),
    )
    let answer: unknown = null
    while (answer === null)
      answer = await model.run([white], signal).catch((error: Error) => (/cannot be interrupted/.test(error.message) ? null : Promise.reject(error)))
    assert.ok(Array.isArray(answer))
    await model.close()
  })
})
