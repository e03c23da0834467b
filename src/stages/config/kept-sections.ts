import { MigrateError } from '../../model/errors.ts';
import { seal, unseal } from '../../model/secret-box.ts';
import { fieldName, fitsMask, maskOf, replaceSecrets, type Sections, secretFields } from '../../model/secret-mask.ts';
import { type FilledConfig, fillSecrets, type GivenFields, type KnownSecrets, realFields } from './config-secrets.ts';

/** Sections as the undo log holds them: a mask in place of each secret, and where there is a key the secrets sealed. */
export type KeptSections = { readonly sections: Sections; readonly sealed?: string };

/** Names of the secrets that could not be put back: neither given, nor shown by the API and to be sealed. */
export function unrestorable(
  sections: Sections,
  maskedMembers: readonly string[],
  { given, recorded, key }: KnownSecrets,
): readonly string[] {
  return secretFields(sections, maskedMembers).flatMap(({ path, value, masked }) => {
    const name = fieldName(path);
    // What the application recorded can be kept only where it can be sealed: the record goes with the config.
    const secret = given.get(name) ?? (key === undefined ? undefined : recorded.get(name));
    const known = masked ? secret !== undefined && fitsMask(secret, value) : secret === value || key !== undefined;
    return known ? [] : [name];
  });
}

/** The sections for the undo log. Throws MigrateError('refused') where they could not be restored from it. */
export function keepSections(sections: Sections, maskedMembers: readonly string[], known: KnownSecrets): KeptSections {
  const unknown = unrestorable(sections, maskedMembers, known);
  if (unknown.length > 0) {
    const text = `what is replaced or deleted could not be restored: ${unknown.join(', ')} would be unknown`;
    const next = 'give the real values with --config-secrets <file>';
    throw new MigrateError('refused', text, { stage: 'config', next });
  }
  const kept = replaceSecrets(sections, maskedMembers, ({ value, masked }) => (masked ? value : maskOf(value)));
  const secrets = secretsIn(sections, maskedMembers, realFields(known));
  if (known.key === undefined || secrets.size === 0) return { sections: kept };
  return { sections: kept, sealed: seal(JSON.stringify([...secrets]), known.key) };
}

/** About the bytes that {@link keepSections} would give, at most; nothing is sealed for that. */
export function keptBytes(sections: Sections, maskedMembers: readonly string[], known: KnownSecrets): number {
  const { key } = known;
  const secrets = JSON.stringify([...secretsIn(sections, maskedMembers, realFields(known))]);
  // base64url takes 4 for 3; salt, nonce and tag some 70 more.
  const sealed = key === undefined ? 0 : Math.ceil((Buffer.byteLength(secrets) * 4) / 3) + 100;
  return Buffer.byteLength(JSON.stringify(sections)) + sealed;
}

/**
 * The secrets that are known: those of the log where the key is there, else the given ones. Throws
 * MigrateError('settings') where the key does not open the log's.
 */
export function openSecrets({ sealed }: { readonly sealed?: string }, known: KnownSecrets): GivenFields {
  const { key } = known;
  if (sealed === undefined || key === undefined) return realFields(known);
  return new Map([...realFields(known), ...(JSON.parse(unseal(sealed, key)) as [string, string][])]);
}

/** Sections from the log or the API with their secrets. Throws MigrateError('refused') where one is not known. */
export function restoreSections(
  sections: Sections,
  maskedMembers: readonly string[],
  given: GivenFields,
): FilledConfig {
  return fillSecrets(sections, maskedMembers, given, {
    next: 'set ENCRYPTION_KEY as in the run, or give the same --config-secrets <file> again',
  });
}

function secretsIn(sections: Sections, maskedMembers: readonly string[], given: GivenFields): Map<string, string> {
  return new Map(
    secretFields(sections, maskedMembers).map(({ path, value, masked }) => {
      const name = fieldName(path);
      return [name, masked ? (given.get(name) ?? value) : value];
    }),
  );
}
