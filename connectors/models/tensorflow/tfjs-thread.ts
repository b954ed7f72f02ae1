import { parentPort, workerData } from 'node:worker_threads'
import { readTensorFlowGraph } from './tensorflow-graph.ts'
import type { TfjsQuestion, TfjsReply } from './tfjs-answers.ts'
import { loadOnTfjs } from './tfjs-model.ts'

/** The program of the thread that computes tfjs's answers. */
const { path, options, inputs } = workerData as TfjsQuestion
parentPort?.postMessage(await reply())

async function reply(): Promise<TfjsReply> {
  try {
    const graph = readTensorFlowGraph(path, options)
    const { run, device } = await loadOnTfjs(graph, 0)
    const answers = await run(
      inputs,
      graph.outputs.map(({ name }) => name),
    )
    return { answers, device }
  } catch (thrown) {
    return { failure: thrown instanceof Error ? (thrown.message.split('\n', 1)[0] ?? '') : String(thrown) }
  }
}
