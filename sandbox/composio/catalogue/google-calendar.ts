/** Google Calendar: events. */
import type { JsonObject } from '../../../domain/json.ts';
import { choice, flag, integer, list, listOf, numberOf, object, output, text, textOf } from './schema.ts';
import type { ToolDefinition, ToolkitDefinition } from './tool-definition.ts';
import { DESTRUCTIVE_TAGS, READ_TAGS, WRITE_TAGS } from './tool-definition.ts';

const calendarId = text('ID of the calendar; `primary` is the main one of the connected user.', {
  default: 'primary',
});
const eventId = (sequence: number): string => `sbx${String(sequence).padStart(10, '0')}`;

function event(args: JsonObject, details: { sequence: number; at: string; organizer: string }): JsonObject {
  const id = eventId(details.sequence);
  const zone = textOf(args, 'timezone', 'UTC');
  const minutes =
    numberOf(args, 'event_duration_hour', 0) * 60 + numberOf(args, 'event_duration_minutes', 30);
  const start = textOf(args, 'start_datetime');
  // A local time without zone is counted as UTC: only the length of the event matters here.
  const startMs = Date.parse(/(Z|[+-]\d\d:\d\d)$/.test(start) ? start : `${start}Z`);
  const end = Number.isNaN(startMs) ? start : new Date(startMs + minutes * 60_000).toISOString();
  return {
    kind: 'calendar#event',
    id,
    status: 'confirmed',
    htmlLink: `https://www.google.com/calendar/event?eid=${id}`,
    summary: textOf(args, 'summary', '(No title)'),
    description: textOf(args, 'description'),
    location: textOf(args, 'location'),
    organizer: { email: details.organizer, self: true },
    attendees: listOf(args, 'attendees').map((email) => ({ email, responseStatus: 'needsAction' })),
    start: { dateTime: start, timeZone: zone },
    end: { dateTime: end, timeZone: zone },
    created: details.at,
  };
}

const createEvent: ToolDefinition = {
  slug: 'GOOGLECALENDAR_CREATE_EVENT',
  name: 'Create event',
  description: 'Creates an event in a Google Calendar, with a start, a length and optional attendees.',
  tags: WRITE_TAGS,
  scopes: ['https://www.googleapis.com/auth/calendar.events'],
  input: object(
    'CreateEventRequest',
    {
      calendar_id: calendarId,
      summary: text('Title of the event.'),
      description: text('Description of the event; may contain HTML.'),
      location: text('Place of the event.'),
      start_datetime: text('Start, as ISO 8601 local or zoned date and time.', {
        examples: ['2026-11-24T13:00:00'],
      }),
      timezone: text('IANA time zone of the start.', { default: 'UTC', examples: ['Europe/Vienna'] }),
      event_duration_hour: integer('Whole hours of the length.', { default: 0, minimum: 0, maximum: 24 }),
      event_duration_minutes: integer('Minutes of the length, besides the hours.', {
        default: 30,
        minimum: 0,
        maximum: 59,
      }),
      attendees: list(text('Email address.'), 'Email addresses of the attendees.'),
      create_meeting_room: flag('Adds a video meeting to the event.', { default: false }),
      visibility: choice(['default', 'public', 'private', 'confidential'], 'Who can see it.', {
        default: 'default',
      }),
    },
    ['start_datetime'],
  ),
  output: output({ id: text('ID of the event.'), htmlLink: text('Address of the event.') }),
  run: (args, context) => ({
    data: {
      response_data: event(args, {
        sequence: context.sequence,
        at: context.now,
        organizer: context.accountName,
      }),
    },
  }),
};

const listEvents: ToolDefinition = {
  slug: 'GOOGLECALENDAR_LIST_EVENTS',
  name: 'List events',
  description: 'Lists events of a calendar between two times.',
  tags: READ_TAGS,
  scopes: ['https://www.googleapis.com/auth/calendar.readonly'],
  input: object('ListEventsRequest', {
    calendar_id: calendarId,
    time_min: text('Only events that end after this time, RFC 3339.'),
    time_max: text('Only events that start before this time, RFC 3339.'),
    query: text('Free text to look for in events.'),
    max_results: integer('Maximum number of events (1 to 2500).', { default: 10, minimum: 1, maximum: 2500 }),
    single_events: flag('Expands recurring events into instances.', { default: true }),
    order_by: choice(['startTime', 'updated'], 'Order of the events.'),
  }),
  output: output({
    items: list(object('Event', { id: text('ID.'), summary: text('Title.') }), 'The events.'),
  }),
  run: (args, context) => {
    const wanted = textOf(args, 'query').toLowerCase();
    const items = context
      .recent(createEvent.slug)
      .map((e) => event(e.arguments, { sequence: e.seq, at: e.at, organizer: context.accountName }))
      .filter((item) => textOf(item, 'summary').toLowerCase().includes(wanted))
      .slice(0, numberOf(args, 'max_results', 10));
    return { data: { kind: 'calendar#events', summary: context.accountName, timeZone: 'UTC', items } };
  },
};

const deleteEvent: ToolDefinition = {
  slug: 'GOOGLECALENDAR_DELETE_EVENT',
  name: 'Delete event',
  description: 'Deletes an event from a calendar. This cannot be undone.',
  tags: DESTRUCTIVE_TAGS,
  scopes: ['https://www.googleapis.com/auth/calendar.events'],
  input: object('DeleteEventRequest', { calendar_id: calendarId, event_id: text('ID of the event.') }, [
    'event_id',
  ]),
  output: output({ status: text('Result.') }),
  run: () => ({ data: { status: 'success' } }),
};

export const googleCalendar: ToolkitDefinition = {
  slug: 'googlecalendar',
  name: 'Google Calendar',
  description: "Google Calendar is Google's time-management and scheduling service.",
  category: 'Scheduling',
  noAuth: false,
  consents: ['See your calendars', 'Create, change and delete events'],
  tools: [createEvent, listEvents, deleteEvent],
};
