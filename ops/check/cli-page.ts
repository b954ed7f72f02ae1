import { readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { program } from '../cli/main.ts'

/** The content of `docs/cli.md`: the help of each command of `waggle`, as `--help` prints it. */
export function cliPage(): string {
  const groups = visible(program).map((command) => sectionsOf(command, ['waggle', command.name()]).join('\n\n'))
  return `${preface}\n\n${groups.join('\n\n')}\n`
}

/** A section for a command, and one for each of its verbs. */
function sectionsOf(command: Command, words: readonly string[]): readonly string[] {
  const verbs = visible(command)
  const own = verbs.length === 0 ? `\`\`\`text\n${helpOf(command)}\n\`\`\`` : `${sentence(command.description())}`
  return [`${'#'.repeat(words.length)} ${words.join(' ')}`, own, ...verbs.flatMap((verb) => sectionsOf(verb, [...words, verb.name()]))]
}

function visible(command: Command): readonly Command[] {
  return command
    .createHelp()
    .visibleCommands(command)
    .filter((one) => one.name() !== 'help')
}

/** The help without the parts that all commands share, and without the table of settings, which has its own page. */
function helpOf(command: Command): string {
  let text = ''
  command.configureOutput({ writeOut: (more) => (text += more), getOutHelpWidth: () => columns, getOutHasColors: () => false })
  command.outputHelp()
  return text
    .replace(/\nSettings:[\s\S]*?\n(?=\nExamples:)/, '\nSettings: docs/settings.md\n')
    .replace(/\nGlobal Options:\n(?: .*\n)*/, '')
    .replace(/^ {2}-h, --help .*\n/m, '')
    .replace(/\nOptions:\n(?=\n)/, '')
    .trim()
}

function sentence(text: string): string {
  const shown = text.replaceAll('{{', '`{{').replaceAll('}}', '}}`')
  return `${shown.charAt(0).toUpperCase()}${shown.slice(1)}.`
}

const columns = 110

const preface = `# The command line

\`waggle\` has these commands: \`npx waggle\` where the package is installed, \`npm run -s waggle --\` in a clone. Each has \`-h\` (\`--help\`), and \`waggle --version\` prints the version.

The exit status is 0 if it is done, 1 if the input is wrong (one line \`FILE:LINE:COL: what, and what would be right\`), 2 for wrong usage, and 3 if a server or a dependency cannot be reached.
With \`--json\` an error is JSON too, with a code of [errors.md](errors.md). A mistyped command or option is answered with the nearest right one.

Commands that talk to a process find it by \`--url\`, \`--profile\`, \`WAGGLE_URL\`, \`WAGGLE_PROFILE\`, or the data directory of the working directory, and send the token in \`WAGGLE_TOKEN\` ([access.md](access.md)).
[Settings](settings.md) are environment variables, or keys of \`waggle.yaml\`.

<!-- This page is made from ops/cli/ by \`node ops/check/cli-page.ts --write\`. -->`

if (import.meta.main) {
  const path = resolve(import.meta.dirname, '..', '..', 'docs/cli.md')
  if (process.argv.includes('--write')) writeFileSync(path, cliPage())
  else if (readFileSync(path, 'utf8') !== cliPage()) {
    process.stderr.write('docs/cli.md is stale: run `node ops/check/cli-page.ts --write`.\n')
    process.exitCode = 1
  }
}
