import { Worker } from 'node:worker_threads'
import { moduleFile } from '../../../topology/module-file.ts'
import type { TensorFlowOptions } from '../../../topology/swarm/ports/models.ts'
import type { Tensors } from './loaded-graph.ts'

/** The `workerData` of the thread that computes tfjs's answers. */
export interface TfjsQuestion {
  readonly path: string
  readonly options: TensorFlowOptions
  readonly inputs: Tensors
}

export type TfjsReply = { readonly answers: Tensors; readonly device: string } | { readonly failure: string }

/** The outputs that tfjs computes for these inputs, in a separate thread. WebAssembly releases its memory only when its thread ends. */
export function tfjsAnswers(question: TfjsQuestion): Promise<TfjsReply> {
  const worker = new Worker(moduleFile(new URL('./tfjs-thread.ts', import.meta.url)), { workerData: question, stdout: false, stderr: false })
  return new Promise((resolve) => {
    worker.once('message', (reply: TfjsReply) => {
      resolve(reply)
      void worker.terminate()
    })
    worker.once('error', (error) => resolve({ failure: error.message }))
    worker.once('exit', (code) => resolve({ failure: `its thread ended with ${code}` }))
  })
}
