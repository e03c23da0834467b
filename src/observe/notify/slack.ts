import type { Message } from '../send.ts';
import type { Notice } from './notice.ts';
import { shorten } from './shorten.ts';

/** Slack's own limits, in characters as they are sent. */
const MOST = { header: 150, text: 2_900, fact: 1_900 } as const;

const SIGNS: Readonly<Record<Notice['severity'], string>> = { info: '✅', warning: '⚠️', error: '❌', critical: '❌' };

/** A notice as Slack's incoming webhooks take it: Block Kit, with the title as text for where blocks are not shown. */
export function slackMessage(notice: Notice, url: string): Message {
  const sign = notice.occasion === 'start' ? '▶️' : SIGNS[notice.severity];
  const body = JSON.stringify({
    text: escaped(`${sign} ${notice.title}`, MOST.text),
    unfurl_links: false,
    unfurl_media: false,
    blocks: [
      { type: 'header', text: plain(`${sign} ${notice.title}`, MOST.header) },
      ...notice.facts.map(([label, value]) => ({
        type: 'section',
        // Names of tenants and messages stand in plain text, in which nothing is markup.
        fields: [{ type: 'mrkdwn', text: `*${label}*` }, plain(value, MOST.fact)],
      })),
    ],
  });
  return { url, method: 'POST', headers: () => ({ 'content-type': 'application/json; charset=utf-8' }), body };
}

function plain(text: string, most: number) {
  return { type: 'plain_text', text: escaped(text, most), emoji: false };
}

/** The three characters by which Slack knows mentions, links and escapes; what is cut off is never half of one. */
function escaped(text: string, most: number): string {
  let short = shorten(text, most);
  while (entities(short).length > most)
    short = shorten(text, short.length - Math.ceil((entities(short).length - most) / 5));
  return entities(short);
}

function entities(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
