import type { WaggleError } from '../../waggle-error.ts'
import type { CheckedSwarm } from '../checked-swarm.ts'
import { invalidSwarm, mistakeAt } from '../swarm-document.ts'

/**
 * Checks the swarms of one process against each other. If two swarms or two gateways have the same name, throws WAGGLE_INVALID_SWARM for the later
 * file.
 */
export function checkTogether(swarms: readonly CheckedSwarm[]): void {
  const names = new Map<string, string>()
  const gateways = new Map<string, CheckedSwarm>()
  for (const swarm of swarms) {
    const { name, document, bees } = swarm
    const mistakes: WaggleError[] = []
    const other = names.get(name)
    if (other !== undefined)
      mistakes.push(
        mistakeAt(
          document.place(['name']),
          other === document.file ? `${other} is given twice` : `${other} has a swarm named ${name} too`,
          'Give each file once, and each swarm a name of its own.',
        ),
      )
    else {
      for (const [index, bee] of bees.entries()) {
        if (bee.type.role !== 'gateway') continue
        const { name: given } = bee.spec
        const gateway = typeof given === 'string' ? given : bee.name
        const taken = gateways.get(gateway)
        if (taken === undefined) gateways.set(gateway, swarm)
        else if (taken !== swarm) {
          // Swarms that are sent to a server as texts may all have the same file name.
          const owner = taken.document.file === document.file ? `the swarm ${taken.name}` : taken.document.file
          const place = document.place(typeof given === 'string' ? ['bees', index, 'spec', 'name'] : ['bees', index, 'name'])
          mistakes.push(mistakeAt(place, `${owner} has a gateway named ${gateway} too`, 'Give one of the two gateways another name.'))
        }
      }
    }
    names.set(name, document.file)
    if (mistakes.length > 0) throw invalidSwarm(document.file, mistakes)
  }
}
