import type { RunningModel } from '../../bees/define-bee.ts'
import type { ModelRow } from '../../topology/swarm/log-management.ts'
import { WaggleError } from '../../topology/waggle-error.ts'

/** A swarm of this process, with the models that its bees run. */
export interface ModelSwarm {
  readonly plan: { readonly swarm: string }
  readonly models: readonly { readonly bee: string; readonly type: string; readonly model: RunningModel }[]
}

/** The models of all swarms of this process, for operators. */
export class RunningModels {
  readonly #swarms: readonly ModelSwarm[]

  constructor(swarms: readonly ModelSwarm[]) {
    this.#swarms = swarms
  }

  list(): readonly ModelRow[] {
    return this.#swarms.flatMap(({ plan: { swarm }, models }) => models.map(({ bee, type, model }) => ({ swarm, bee, type, ...model.state })))
  }

  /** Searches for new versions of a bee's model. Settles when the new versions answer or are refused. Throws WAGGLE_UNKNOWN_MODEL. */
  async reload(swarm: string, bee: string): Promise<ModelRow> {
    const found = this.#swarms.find(({ plan }) => plan.swarm === swarm)?.models.find((one) => one.bee === bee)
    if (found === undefined) {
      throw new WaggleError('WAGGLE_UNKNOWN_MODEL', {
        message: `The bee ${bee} of the swarm ${swarm} has no model in this process`,
        next: 'See `waggle models list`.',
      })
    }
    await found.model.reload()
    return { swarm, bee, type: found.type, ...found.model.state }
  }
}
