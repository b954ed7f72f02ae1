import type { Cut } from './cuts.ts'
import type { Step, SubtopologyPlan } from './subtopology-plan.ts'

/** A sub-topology under construction. Each step is added after the last step. */
export class SubtopologyDraft {
  readonly bees = new Set<string>()
  readonly steps: Step[] = []
  #last: string | null = null

  get hasState(): boolean {
    return this.steps.some(({ kind }) => kind === 'join' || kind === 'merge' || kind === 'cache' || kind === 'deduplicate' || kind === 'ledger')
  }

  get sourceTopics(): readonly string[] {
    return this.steps.flatMap((step) => (step.kind === 'source' ? step.topics : []))
  }

  add(name: string, body: StepBody, alsoFrom: readonly string[] = []): void {
    const parents = [...(this.#last === null || body.kind === 'source' ? [] : [this.#last]), ...alsoFrom]
    this.steps.push({ ...body, name, parents } as Step)
    this.#last = name
    if ('bee' in body) this.bees.add(body.bee)
    if (body.kind === 'ledger') this.bees.add(name)
  }

  /** Adds a step below `parent`. The next `add` still goes after the last step. */
  also(name: string, parent: string, body: StepBody): void {
    this.steps.push({ ...body, name, parents: [parent] } as Step)
  }

  beside(name: string, body: StepBody): void {
    this.steps.push({ ...body, name, parents: [] } as Step)
  }

  done(cut: Cut): SubtopologyPlan {
    return {
      id: 0,
      bees: [...this.bees],
      sources: [...new Set(this.sourceTopics)],
      sinks: [...new Set(this.steps.flatMap((step) => (step.kind === 'sink' || step.kind === 'output' ? [step.topic] : [])))],
      stores: this.steps.flatMap((step) => ('store' in step ? [step.store] : [])),
      cut,
      steps: this.steps,
    }
  }
}

type StepBody = Step extends infer S ? (S extends Step ? Omit<S, 'name' | 'parents'> : never) : never
