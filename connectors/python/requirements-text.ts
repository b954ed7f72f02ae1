import { WaggleError } from '../../topology/waggle-error.ts'
import { readBounded } from '../system/bounded-file.ts'

/** The text of a file of requirements: a regular file of at most 1 MiB. Throws WAGGLE_PYTHON_ENVIRONMENT for any other. */
export function requirementsText(file: string): string {
  try {
    return Buffer.from(readBounded(file, { maxBytes: maxFileBytes, next })).toString('utf8')
  } catch (thrown) {
    const { message, cause } = thrown as Error
    throw new WaggleError('WAGGLE_PYTHON_ENVIRONMENT', {
      message: `The requirements ${file} cannot be read: ${cause instanceof Error ? cause.message : message}`,
      next,
    })
  }
}

const next = 'Correct the file, or name another one as spec.requirements.'
const maxFileBytes = 1024 * 1024
