import type { Move } from '../../../model/move.ts';
import { type NameTemplate, nameOf, templateFor } from '../../../model/name-template.ts';

/** What the names of collections and aliases say of a move. */
export interface NamesOfMove {
  readonly move: Move;
  /** Names that a template gives to the source, with the target's. */
  readonly claimed: readonly { readonly from: string; readonly to: string }[];
  /** Names that a template gives to the target. */
  readonly targets: readonly string[];
  /** Names that two templates would rename differently. */
  readonly ambiguous: readonly string[];
  /** Names in which the source stands as a whole word, and that no template claims. */
  readonly unclaimed: readonly { readonly name: string; readonly template: string }[];
  /** Names that hold the source as a part of something longer. */
  readonly lookAlikes: readonly string[];
}

/** Sorts names by whose they are. Only a template that names the rest of a name claims it. */
export function namesOf(names: readonly string[], templates: readonly NameTemplate[], move: Move): NamesOfMove {
  const claimed: { from: string; to: string }[] = [];
  const ambiguous: string[] = [];
  const targets = names.filter((name) => templates.some((template) => nameOf(template, move.target) === name));
  const unclaimed: { name: string; template: string }[] = [];
  const lookAlikes: string[] = [];
  for (const name of names) {
    const own = templates.filter((template) => nameOf(template, move.source) === name);
    const [to, ...others] = new Set(own.map((template) => nameOf(template, move.target)));
    if (to !== undefined && others.length === 0) claimed.push({ from: name, to });
    else if (to !== undefined) ambiguous.push(name);
    else if (!targets.includes(name)) {
      const template = templateFor(name, move.source);
      if (template !== undefined) unclaimed.push({ name, template });
      else if (name.toLowerCase().includes(move.source.toLowerCase())) lookAlikes.push(name);
    }
  }
  return { move, claimed, targets, ambiguous, unclaimed, lookAlikes };
}

const LONGEST_NAME = 255;

/** Why Qdrant takes no collection or alias of this name; undefined where it does. */
export function nameProblem(name: string): string | undefined {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters that Qdrant refuses
  const bad = /[<>:"/\\|?*\0\x1f]/.exec(name);
  if (bad !== null) return `holds ${JSON.stringify(bad[0])}`;
  if (Buffer.byteLength(name) > LONGEST_NAME) return `is longer than ${LONGEST_NAME} bytes`;
  return undefined;
}
