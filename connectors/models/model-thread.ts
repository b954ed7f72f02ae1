import { join } from 'node:path'
import { parentPort, workerData } from 'node:worker_threads'
import { WaggleError } from '../../topology/waggle-error.ts'
import { labelsBeside } from './model-labels.ts'
import type { ModelThreadData, RunMessage, ThreadMessage } from './model-messages.ts'
import { openOnnx } from './onnx-runtime.ts'
import { pictureInputOf } from './picture-input.ts'
import { rowLayoutOf } from './row-layout.ts'
import { RowRuns } from './row-runs.ts'
import { openTensorFlow } from './tensorflow/tensorflow-runtime.ts'
import { onnxFileIn, versionFolder } from './version-folder.ts'

/**
 * The program of a model's thread. Only this thread blocks during `run`. The thread also resizes the pictures in shared memory, so that the main
 * thread of the process only copies bytes.
 */
const { path, version, runtime: library, gpu, threads, fit, output, tensorflow, isLabelled } = workerData as ModelThreadData
const port = parentPort
if (port === null) throw new Error('This file runs in a worker thread.')

const say = (message: ThreadMessage) => port.postMessage(message)

try {
  const folder = version === undefined ? path : await versionFolder(path, version)
  const file = library === 'onnx' && version !== undefined ? await onnxFileIn(folder) : folder
  const { runtime, warning } =
    library === 'onnx'
      ? await openOnnx(file, { gpu, threads }, output)
      : await openTensorFlow(path, { gpu, threads }, output, { ...tensorflow, ...(version === undefined ? {} : { version }) })
  const layout = rowLayoutOf(runtime.inputs, runtime.outputs)
  const picture = pictureInputOf(file, layout.inputs, fit)
  const runs = new RowRuns(runtime, layout, picture)
  const { inputs, outputs, classes, device, choice } = runtime
  const rows = layout.inputs.map(({ isBatched: _, ...row }) => row)
  const { outputs: outputRows, rowsPerRun } = layout
  const labels = isLabelled ? null : (labelsBeside(file) ?? (file === path ? null : labelsBeside(path)) ?? runtime.ownLabels())
  const signature = { inputs, outputs, rows, outputRows, rowsPerRun, takesPictures: picture !== null, classes, labels }
  say({ kind: 'ready', signature, device, choice, warning })
  const run = async (message: RunMessage): Promise<void> => {
    try {
      say({ kind: 'result', call: message.call, runs: await runs.run(message) })
    } catch (thrown) {
      say({ kind: 'failed', call: message.call, message: thrown instanceof Error ? thrown.message : String(thrown) })
    }
  }
  // Runs wait for each other. A library may read its input in a later turn of the event loop, so the next run must not overwrite that input.
  let last = Promise.resolve()
  port.on('message', (message: RunMessage) => {
    last = last.then(() => run(message))
  })
} catch (thrown) {
  const error = WaggleError.from('WAGGLE_MODEL_INVALID', thrown, {
    message: `${version === undefined ? path : join(path, String(version))} cannot be loaded`,
    next: 'See that the file is whole and of the right kind.',
  })
  say({ kind: 'broken', code: error.code, message: error.message, next: error.next })
}
