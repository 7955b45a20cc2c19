"""What follows from the sources for the template of the deployment: functions, roles, schedules, alarms."""
